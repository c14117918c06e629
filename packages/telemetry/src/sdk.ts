import { DiagLogLevel, diag, metrics } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { TelemetryFlushError } from './errors.ts';
import type { Logger } from './logger.ts';
import { ScrapeReader } from './scrape-reader.ts';

/** The running telemetry of a process. */
export interface Telemetry {
  /** All metrics of the process as they stand now, in Prometheus' text format. */
  metricsText(): Promise<string>;
  /** Sends the spans that are still held, for at most three seconds, and stops. */
  shutdown(): Promise<void>;
}

const flushTimeoutMs = 3000;

/**
 * Starts the metrics of this process and, if there is an OTLP endpoint, its tracing: spans go in batches to
 * `<otlpEndpoint>/v1/traces`, sampled as `OTEL_TRACES_SAMPLER` says. Once per process, before the parts that
 * make instruments. Without an endpoint none of the tracing code is even loaded.
 */
export async function startTelemetry(options: {
  readonly service: string;
  readonly logger: Logger;
  readonly otlpEndpoint?: string | undefined;
}): Promise<Telemetry> {
  logDiagnostics(options.logger);

  // The SDK's own detectors would publish the command line, the paths and the host of the process.
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': options.service }))
    .merge(detectResources({ detectors: [envDetector] }));

  const reader = new ScrapeReader();
  const serializer = new PrometheusSerializer();
  const meterProvider = new MeterProvider({ resource, readers: [reader] });
  metrics.setGlobalMeterProvider(meterProvider);

  const stopTracing =
    options.otlpEndpoint === undefined ? undefined : await startTracing(options.otlpEndpoint, resource);

  return {
    async metricsText() {
      const { resourceMetrics, errors } = await reader.collect();
      for (const error of errors) options.logger.warn({ err: error }, 'a metric could not be collected');
      return serializer.serialize(resourceMetrics);
    },
    async shutdown() {
      try {
        await stopTracing?.();
      } finally {
        await meterProvider.shutdown();
      }
    },
  };
}

async function startTracing(endpoint: string, resource: Resource): Promise<() => Promise<void>> {
  const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` }),
    // Lists that are absent make the SDK start exporters of its own, from the environment.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();

  return async () => {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new TelemetryFlushError(endpoint, `no answer within ${flushTimeoutMs} ms`));
    }, flushTimeoutMs);
    try {
      await Promise.race([sdk.shutdown(), timeout]);
    } catch (error) {
      if (error instanceof TelemetryFlushError) throw error;
      throw new TelemetryFlushError(endpoint, String(error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };
}

/** What the SDK has to say (a collector that is away, say) goes to the log: by default it goes nowhere. */
function logDiagnostics(logger: Logger): void {
  const warn = (detail: string): void => logger.warn({ detail }, 'telemetry has a problem');
  const ignore = (): void => undefined;
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
