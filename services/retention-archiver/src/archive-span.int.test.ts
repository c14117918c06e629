import { createLogger } from '@event-bus/telemetry';
import { startTelemetry } from '@event-bus/telemetry/sdk';
import { startOtlpReceiver } from '@event-bus/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { createArchiveTrace } from './archive-span.ts';

test('an object of many recorded events has spans of its first thousand, and an event behind it waits for the next', async () => {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const logger = createLogger({ service: 'test', level: 'warn' });
  const telemetry = await startTelemetry({ service: 'test', logger, otlpEndpoint: receiver.url });
  const trace = createArchiveTrace('events:user');
  const pass = (n: number, flags = '01') => {
    const traceparent = `00-${String(n).padStart(32, 'a')}-${'b'.repeat(16)}-${flags}`;
    trace.pass({ id: `1-${n}`, fields: { event_id: `e${n}`, traceparent } });
  };

  for (let n = 0; n < 10; n += 1) pass(n, n < 5 ? '01' : '00');
  trace.archived('1-2');
  trace.archived('1-9');
  for (let n = 10; n < 1_500; n += 1) pass(n);
  trace.archived('1-1499');
  pass(1_500);
  trace.archived('1-1500', { 'bus.archive.key': 'last' });
  await telemetry.shutdown();

  const spans = receiver.spans();
  const ids = spans.map(({ attributes }) => Number((attributes['messaging.message.id'] as string).slice(1)));
  const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);
  expect(ids.toSorted((a, b) => a - b)).toEqual([...upTo(5), ...upTo(1_000, 10), 1_500]);
  const of = (n: number) => spans[ids.indexOf(n)];
  expect(of(0)?.links).toHaveLength(2);
  expect(of(3)?.links.map(({ traceId }) => traceId)).toEqual([of(4)?.traceId]);
  expect(of(10)?.links).toHaveLength(128);
  expect(of(1_500)).toMatchObject({ links: [], attributes: { 'bus.archive.key': 'last' } });
});
