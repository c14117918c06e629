import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, it, onTestFinished, vi } from 'vitest';
import { exponential } from '../retry-policy.ts';
import { createGroupBench, type GroupBench, types } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

// White space between the tokens: what a payload may hold is another matter.
const large = { aggregateId: 'a', type: types.renamed, payload: `{"name":"Ada"${' '.repeat(100 * 1024)}}` };

it('no more bytes are held than may be and one read brings, behind one aggregate too, and all of it is handled', async () => {
  const gate = Promise.withResolvers<void>();
  const held: number[] = [];
  const consumer = bench.consumer({ ordering: 'aggregate' }, async () => {
    const { running, waiting } = runner.runner.status();
    held.push(running + waiting);
    await gate.promise;
  });
  const events = await bench.publisher.publishEvents(...Array.from({ length: 40 }, () => large));
  const mostHeld = 11 + 5;

  const runner = bench.start(consumer, { capacityBytes: 1024 ** 2, readCount: 5 });
  await eventually(() => runner.runner.status().waiting >= 10);
  const since = performance.now();
  await eventually(() => performance.now() - since > 500);
  expect((await bench.pendingOf(consumer.group)).length).toBeLessThanOrEqual(mostHeld);
  gate.resolve();
  await bench.nothingPending(consumer.group);

  const handled = (await bench.effects(consumer.group)).map(({ event_id: id }) => id);
  expect(handled).toEqual(events.map(({ eventId }) => eventId));
  expect(Math.max(...held)).toBeLessThanOrEqual(mostHeld);
});

it('what others left pending is taken over and handled, also if it is more than may be held', async () => {
  const consumer = bench.consumer({ ordering: 'aggregate' });
  const events = await bench.publisher.publishEvents(...Array.from({ length: 40 }, () => large));
  const reader = bench.transport.reader();
  const ref = { stream: bench.stream, group: consumer.group };
  await reader.ensureGroup(ref, '0');
  await reader.read({ group: ref.group, consumer: 'dead', from: [ref], count: 1_000, blockMs: 10 });
  await reader.close();

  bench.start(consumer, { capacityBytes: 1024 ** 2, readCount: 5 });
  await bench.nothingPending(consumer.group);

  const handled = (await bench.effects(consumer.group)).map(({ event_id: id }) => id);
  expect(handled).toEqual(events.map(({ eventId }) => eventId));
});

it('a failed event is retried after its backoff also when the clock is set back meanwhile', async () => {
  const consumer = bench.consumer(
    { ordering: 'aggregate', retry: { maxAttempts: 3, backoff: exponential('300ms') } },
    ({ attempt }) => {
      if (attempt === 1) throw new Error('not yet');
    },
  );
  const now = Date.now;
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  // No attempt is repeated because the machine was slow.
  bench.start(consumer, { leaseTtlMs: 60_000 });
  await bench.publish('a', 'a');
  await eventually(() => consumer.calls.length === 1);

  vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);

  await bench.nothingPending(consumer.group);
  expect(consumer.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2]);
});
