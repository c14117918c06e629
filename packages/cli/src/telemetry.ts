import { loadConfig, workerConfig } from '@event-bus/config';
import { createLogger } from '@event-bus/telemetry';
import { z } from 'zod';

const config = z.object({ OTEL_EXPORTER_OTLP_ENDPOINT: workerConfig.OTEL_EXPORTER_OTLP_ENDPOINT });

/**
 * Starts tracing where there is an endpoint for it, so that what a command does to an event stands in the event's trace.
 * Returns what sends the spans.
 */
export async function startCliTelemetry(): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint } = loadConfig(config, process.env);
  if (otlpEndpoint === undefined) return async () => undefined;
  const { startTelemetry } = await import('@event-bus/telemetry/sdk');
  const logger = createLogger({ service: 'bus', level: 'warn', destination: process.stderr });
  const telemetry = await startTelemetry({ service: 'bus', logger, otlpEndpoint });
  return async () => {
    try {
      await telemetry.shutdown();
    } catch (error) {
      logger.warn({ err: error }, 'spans were not sent');
    }
  };
}
