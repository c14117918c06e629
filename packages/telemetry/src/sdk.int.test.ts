import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inSpan, meter, SpanKind, tracer } from './index.ts';
import { createLogger } from './logger.ts';
import { attributeNames, metricNames, spanName } from './names.ts';
import { startTelemetry, type Telemetry } from './sdk.ts';
import { contextFromHeaders, currentTraceHeaders } from './trace-context.ts';

interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status: { readonly code: number };
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
}

interface ReceivedTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: unknown }[] };
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

const requests: { path: string; body: ReceivedTraces }[] = [];
const collector = createServer((request, response) => {
  void text(request).then((body) => {
    requests.push({ path: request.url ?? '', body: JSON.parse(body) as ReceivedTraces });
    response.setHeader('content-type', 'application/json').end('{}');
  });
});
const lines: string[] = [];
const logger = createLogger({
  service: 'test',
  level: 'debug',
  destination: { write: (line) => lines.push(line) },
});
let telemetry: Telemetry;

beforeAll(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  telemetry = await startTelemetry({ service: 'probe', logger, otlpEndpoint: `http://127.0.0.1:${port}` });
});

afterAll(() => {
  collector.closeAllConnections();
  collector.close();
});

test('metrics are served in the text format, without the host, the paths or the command line of the process', async () => {
  meter()
    .createCounter(metricNames.sentMessages)
    .add(3, { [attributeNames.destinationName]: 'events:user' });

  const metrics = await telemetry.metricsText();

  expect(metrics).toMatch(
    /messaging_client_sent_messages_total\{.*messaging_destination_name="events:user".*\} 3/,
  );
  expect(metrics).toMatch(/target_info\{.*service_name="probe"/);
  expect(metrics).not.toMatch(/process_|host_|os_/);
});

test('lines logged inside a span carry its trace', () => {
  tracer().startActiveSpan('outer', (span) => {
    logger.info({}, 'traced');
    span.end();
    const { traceId, spanId } = span.spanContext();
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ trace_id: traceId, span_id: spanId });
  });
});

test('a span that fails says with what and passes the error on', async () => {
  const failure = Object.assign(new Error('no room'), { code: 'redis_full' });

  await expect(inSpan('failing', { kind: SpanKind.PRODUCER }, () => Promise.reject(failure))).rejects.toBe(
    failure,
  );
});

test('a span that fails with what has no text is marked all the same', async () => {
  const failures = [
    Object.create(null),
    Object.assign(new Error('odd'), { code: Object.create(null) as unknown }),
  ];
  for (const [index, failure] of failures.entries()) {
    await expect(
      inSpan(`failing oddly ${index}`, { kind: SpanKind.PRODUCER }, () => Promise.reject(failure)),
    ).rejects.toBe(failure);
  }
});

test('spans of two processes form one trace through the headers, and are sent before telemetry stops', async () => {
  const headers = await inSpan(spanName('append', 'user'), { kind: SpanKind.PRODUCER }, async () =>
    currentTraceHeaders(),
  );
  await inSpan(
    spanName('process', 'events:user'),
    {
      kind: SpanKind.CONSUMER,
      parent: contextFromHeaders(headers),
      attributes: { [attributeNames.attempt]: 1 },
    },
    async () => {
      expect(trace.getActiveSpan()).toBeDefined();
    },
  );

  await telemetry.shutdown();

  expect(new Set(requests.map(({ path }) => path))).toEqual(new Set(['/v1/traces']));
  const resource = requests[0]?.body.resourceSpans[0]?.resource.attributes.map(({ key }) => key);
  expect(resource).toContain('service.name');
  expect(resource?.filter((key) => /^(process|host|os)\./.test(key))).toEqual([]);
  const spans = requests.flatMap(({ body }) =>
    body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
  const append = spans.find(({ name }) => name === 'append user');
  const process = spans.find(({ name }) => name === 'process events:user');
  const failing = spans.find(({ name }) => name === 'failing');
  const odd = spans.filter(({ name }) => name.startsWith('failing oddly'));
  expect(process).toMatchObject({ traceId: append?.traceId, parentSpanId: append?.spanId });
  expect(process?.attributes).toEqual([{ key: 'bus.attempt', value: { intValue: 1 } }]);
  expect(failing?.status.code).toBe(2);
  expect(failing?.attributes).toContainEqual({ key: 'error.type', value: { stringValue: 'redis_full' } });
  expect(odd.map(({ status }) => status.code)).toEqual([2, 2]);
});
