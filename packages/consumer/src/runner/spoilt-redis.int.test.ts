import { eventually } from '@event-bus/testkit';
import { derivedKeys } from '@event-bus/transport';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { exponential } from '../retry-policy.ts';
import { createTestPublisher, redisBus, uniqueTopic } from './testing/bus.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';
import { createScriptedRunners } from './testing/scripted-runners.ts';

let bench: GroupBench;
let runners: ReturnType<typeof createScriptedRunners>;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
  runners = createScriptedRunners(redisBus(bench.redis), bench.database);
});
afterEach(async () => {
  await runners.stop();
  await bench.close();
});

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

/** Has everything in the stream handed out to a consumer that died of it an hour ago, and returns the entries' IDs. */
async function handOut(group: string): Promise<readonly string[]> {
  const reader = bench.transport.reader();
  const ref = { stream: bench.stream, group };
  await reader.ensureGroup(ref, '0');
  const read = await reader.read({ group, consumer: 'dead', from: [ref], count: 1_000, blockMs: 10 });
  await reader.close();
  const ids = read.map(({ id }) => id);
  await bench.redis.client().xclaim(ref.stream, group, 'dead', 0, ...ids, 'IDLE', 3_600_000, 'JUSTID');
  return ids;
}

it('entries that were deleted while they were pending are acknowledged and named, and the others handled', async () => {
  const consumer = bench.consumer();
  await bench.publish(...aggregates(5));
  const [first = '', , third = ''] = await handOut(consumer.group);
  await bench.redis.client().xdel(bench.stream, first, third);

  const runner = bench.start(consumer);
  await bench.nothingPending(consumer.group);

  expect((await bench.effects(consumer.group)).map(({ aggregate_id }) => aggregate_id).sort()).toEqual([
    'user-1',
    'user-3',
    'user-4',
  ]);
  expect(
    runner.logs.filter(({ msg }) => String(msg).includes('stand in their stream no longer')),
  ).toMatchObject([{ entries: [first, third] }]);
});

it('whatever the record of a failure says, its event is handled, and retried by the policy', async () => {
  const consumer = bench.consumer(
    { retry: { maxAttempts: 3, backoff: exponential('20ms') } },
    ({ aggregateId, attempt }) => {
      if (aggregateId !== 'user-0' && attempt === 1) throw new Error('not yet');
    },
  );
  const events = await bench.publish(...aggregates(6));
  const failures = derivedKeys.failures(bench.stream, consumer.group);
  const inAYear = Date.now() + 365 * 86_400_000;
  const garbage = [
    { attempts: 2 ** 31, dueAt: 'never' },
    { attempts: 'many', history: 7 },
    { history: [null, 3], firstDeliveredAt: 'then' },
    { error: {}, stack: 5, dueAt: null },
    { attempts: -3, firstDeliveredAt: 1e300 },
    // By a runner whose clock was a year ahead.
    { attempts: 1, failedAt: inAYear, dueAt: inAYear + 50 },
  ];
  for (const [index, id] of (await handOut(consumer.group)).entries()) {
    const record = { eventId: events[index]?.eventId, ...garbage[index] };
    await bench.redis.client().hset(failures, id, JSON.stringify(record));
  }

  bench.start(consumer);
  await bench.nothingPending(consumer.group);

  const attempts = (await bench.effects(consumer.group)).map(({ attempt }) => attempt);
  expect(attempts.toSorted((a, b) => a - b)).toEqual([1, 2, 2, 2, 2, 2]);
});

it('while the failures of a group are something else nothing is handled twice or lost, and it goes on when they are gone', async () => {
  const consumer = bench.consumer();
  const failures = derivedKeys.failures(bench.stream, consumer.group);
  const runner = bench.start(consumer, { claimIdleMs: 300 });
  await eventually(() => runner.isLive());
  await bench.redis.client().set(failures, 'no hash');
  await bench.publish(...aggregates(20));
  await eventually(async () => (await bench.effects(consumer.group)).length === 20);
  await eventually(() => runner.logs.some(({ err }) => JSON.stringify(err ?? '').includes('WRONGTYPE')));

  await bench.redis.client().del(failures);
  await bench.nothingPending(consumer.group);

  expect(consumer.calls).toHaveLength(20);
});

it('while nothing can be acknowledged no more is taken in hand than may be held, and it goes on when it can', async () => {
  const consumer = bench.consumer({ transaction: 'batch' });
  const failures = derivedKeys.failures(bench.stream, consumer.group);
  const runner = bench.start(consumer, { capacity: 100, readCount: 50 });
  await eventually(() => runner.isLive());
  await bench.redis.client().set(failures, 'no hash');
  for (let round = 0; round < 4; round += 1) await bench.publish(...aggregates(250));
  await eventually(async () => (await bench.effects(consumer.group)).length >= 100);
  const since = performance.now();
  await eventually(() => performance.now() - since > 1_000);
  // All that may be held, and what a read brings that was under way.
  const [pending] = (await bench.redis.client().xpending(bench.stream, consumer.group)) as [number];
  expect(pending).toBeLessThanOrEqual(150);

  await bench.redis.client().del(failures);
  await bench.nothingPending(consumer.group);
  expect(consumer.calls).toHaveLength(1_000);
});

it.each(['none', 'aggregate'] as const)(
  'a stream that became something else holds up no other one of its group (ordering: %s)',
  async (ordering) => {
    const client = bench.redis.client();
    const spoilt = uniqueTopic();
    const { publisher, start } = runners.setUp({ ordering }, [{ name: spoilt.topic, partitions: 1 }]);
    const runner = start();
    // What is not acknowledged yet when a stream is taken up anew comes again, and no inbox is here to know it.
    const settled = () => new Set(runner.settled());
    await eventually(() => runner.runner.status().streams.every(({ state }) => state === 'live'));
    await client.del(spoilt.stream);
    await client.set(spoilt.stream, 'no stream');

    const events = await publisher.publish(...aggregates(20));
    await eventually(() => settled().size === 20);
    await client.del(spoilt.stream);
    const others = createTestPublisher(bench.transport, spoilt.stream, spoilt.topic);
    events.push(...(await others.publish(...aggregates(20))));
    await eventually(() => settled().size === 40);

    expect(settled()).toEqual(new Set(events.map(({ eventId }) => eventId)));
    await others.close();
  },
);
