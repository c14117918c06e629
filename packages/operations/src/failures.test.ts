import type { FailureRecord } from '@event-bus/transport';
import { createMemoryBroker } from '@event-bus/transport/memory';
import { expect, test } from 'vitest';
import { listFailures } from './failures.ts';
import { entryOf } from './testing.ts';

const stream = 'events:user';
const group = 'mail';
const record = (eventId: string, final = true): FailureRecord => ({
  eventId,
  attempts: 1,
  final,
  kind: 'unreadable',
  reason: 'no such type',
  error: '',
  stack: '',
  history: [],
  firstDeliveredAt: 0,
  failedAt: 0,
  dueAt: 0,
});

const request = { group, consumer: 'one', from: [{ stream }], count: 1_250, blockMs: 0 };

async function setup(failed: readonly number[]) {
  const broker = createMemoryBroker();
  const transport = broker.transport();
  const eventIds = Array.from({ length: 1_300 }, (_, n) => `event-${n}`);
  const entries = eventIds.map(entryOf);
  const expectation = { eventId: null, present: false };
  await transport.writer().append(stream, { source: 'billing', expect: expectation, entries });
  const reader = transport.reader();
  await reader.ensureGroup({ stream, group }, '0');
  const read = await reader.read(request);
  const failures = failed.map((n) => [read[n]?.id ?? '', record(`event-${n}`)] as const);
  await reader.recordFailures({ stream, group }, 'one', new Map(failures));
  return { broker, transport, reader, read };
}

test('failures are found wherever they stand, oldest first', async () => {
  const { transport } = await setup([1_249, 0, 499, 500, 999]);
  const { entries, others } = await listFailures(transport, group, [stream], 100);

  expect(entries.map(({ eventId }) => eventId)).toEqual([
    'event-0',
    'event-499',
    'event-500',
    'event-999',
    'event-1249',
  ]);
  expect(others).toBe(0);
});

test('the limit leaves the newest out and counts them', async () => {
  const { transport } = await setup([1_249, 0, 499]);
  const { entries, others } = await listFailures(transport, group, [stream], 2);

  expect(entries.map(({ eventId }) => eventId)).toEqual(['event-0', 'event-499']);
  expect(others).toBe(1);
});

test('a failure that is to be retried, or of another event under the same entry ID, is not listed', async () => {
  const { broker, transport, reader, read } = await setup([3, 5]);
  const retried = new Map([[read[4]?.id ?? '', record('event-4', false)]]);
  await reader.recordFailures({ stream, group }, 'one', retried);
  broker.deleteStream(stream);
  for (const [n, { id, fields }] of read.entries()) {
    broker.addEntry(stream, n === 3 ? { ...fields, event_id: 'event-of-another-time' } : fields, id);
  }
  await reader.ensureGroup({ stream, group }, '0');
  await reader.read(request);
  const { entries, others } = await listFailures(transport, group, [stream], 100);

  expect(entries.map(({ eventId }) => eventId)).toEqual(['event-5']);
  expect(others).toBe(1);
});

test('a group that is on none of its streams is an error', async () => {
  const { transport } = await setup([]);

  await expect(listFailures(transport, 'other', [stream], 1)).rejects.toThrow('registered are mail');
});
