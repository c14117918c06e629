import { userRenamed } from '@event-bus/contracts';
import { currentTraceHeaders, type TraceHeaders } from '@event-bus/telemetry';
import { startTelemetry, type Telemetry } from '@event-bus/telemetry/sdk';
import { type OtlpReceiver, startOtlpReceiver } from '@event-bus/testkit';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  type Bench,
  createBench,
  defineConsumer,
  delivery,
  eventIdOf,
  never,
  on,
  work,
} from './testing/bench.ts';

let bench: Bench;
let receiver: OtlpReceiver;
let telemetry: Telemetry;

beforeAll(async () => {
  bench = await createBench(inject('postgresUrl'));
  receiver = await startOtlpReceiver();
  telemetry = await startTelemetry({ service: 'test', logger: bench.logger, otlpEndpoint: receiver.url });
});

afterAll(async () => {
  await bench.close();
  await receiver.close();
});

test('each event has a process span in its own trace, which the handler and the log lines share', async () => {
  const seen: TraceHeaders[] = [];
  const { handle, handleTogether } = bench.dispatcher(
    defineConsumer({
      group: 'g',
      transaction: 'batch',
      handlers: [
        on(userRenamed, (event) => {
          seen.push(currentTraceHeaders());
          if (event.payload.name === 'odd') throw new TypeError('odd');
        }),
      ],
    }),
  );
  const trace = (digit: string) => digit.repeat(32);
  const traced = (digit: string, fields = {}) =>
    work(delivery({ traceparent: `00-${trace(digit)}-${'b'.repeat(16)}-01`, ...fields }));
  const batch = [traced('1'), traced('2')];
  const failing = traced('3', { payload: '{"name":"odd"}' });

  await handleTogether(batch, never);
  await handle(failing, never);
  await telemetry.shutdown();

  const spans = receiver.spans().toSorted((a, b) => a.traceId.localeCompare(b.traceId));
  expect(spans).toHaveLength(3);
  for (const [index, span] of spans.entries()) {
    expect(span).toMatchObject({
      name: 'process events:user',
      kind: 'consumer',
      traceId: trace(String(index + 1)),
      parentSpanId: 'b'.repeat(16),
    });
    expect(seen[index]?.traceparent).toContain(span.spanId);
  }
  const [first] = batch;
  expect(spans[0]?.attributes).toMatchObject({
    'messaging.consumer.group.name': 'g',
    'messaging.message.id': first && eventIdOf(first),
    'bus.tenant.id': 'tenant',
    'bus.event.type': 'user.renamed',
    'bus.attempt': 1,
    'bus.outcome': 'done',
  });
  expect(spans[2]).toMatchObject({
    status: { code: 'error' },
    attributes: { 'bus.outcome': 'retry', 'error.type': 'TypeError' },
  });
  expect(bench.logs).toContainEqual(expect.objectContaining({ level: 'warn', trace_id: trace('3') }));
});
