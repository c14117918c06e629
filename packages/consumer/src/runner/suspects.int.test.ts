import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { exponential } from '../retry-policy.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

/** Has everything in the stream handed out twice, to consumers that died of it an hour ago: it is had at once. */
async function dieTwice(group: string): Promise<void> {
  const reader = bench.transport.reader();
  const ref = { stream: bench.stream, group };
  await reader.ensureGroup(ref, '0');
  await reader.read({ group, consumer: 'dead-1', from: [ref], count: 1_000, blockMs: 10 });
  const claim = { consumer: 'dead-2', minIdleMs: 0, count: 1_000, maxDeliveries: 5 };
  const { deliveries } = await reader.claim(ref, claim);
  await reader.close();
  const ids = deliveries.map(({ id }) => id);
  await bench.redis.client().xclaim(ref.stream, group, 'dead-2', 0, ...ids, 'IDLE', 3_600_000, 'JUSTID');
}

const deliveriesOf = async (group: string) =>
  (await bench.pendingOf(group)).map(({ deliveries }) => deliveries);

describe('entries whose processes died twice', () => {
  it('are handled one at a time with nothing beside them, and what is new when they are done', async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const consumer = bench.consumer({ concurrency: 8 }, async ({ aggregateId }) => {
      running += 1;
      if (aggregateId.startsWith('user')) most = Math.max(most, running);
      if (aggregateId === 'user-0') await gate.promise;
      running -= 1;
    });
    await bench.publish(...aggregates(10));
    await dieTwice(consumer.group);
    bench.start(consumer);
    await eventually(() => consumer.calls.length > 0);
    await bench.publish('new-1', 'new-2');
    gate.resolve();
    await bench.nothingPending(consumer.group);

    expect(most).toBe(1);
    expect(consumer.calls).toHaveLength(12);
    expect(consumer.calls.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('are counted when their handling begins and not before', async () => {
    const gate = Promise.withResolvers<void>();
    const consumer = bench.consumer({ concurrency: 8 }, () => gate.promise);
    await bench.publish(...aggregates(5));
    await dieTwice(consumer.group);
    const runner = bench.start(consumer);
    await eventually(() => consumer.calls.length === 1);

    expect((await deliveriesOf(consumer.group)).sort((a, b) => a - b)).toEqual([2, 2, 2, 2, 3]);
    await runner.stop();
    // Whoever stops in good order has not died: nothing that it was told counts.
    expect(await deliveriesOf(consumer.group)).toEqual([2, 2, 2, 2, 2]);
    gate.resolve();
    bench.start(consumer, { name: 'second' });
    await bench.nothingPending(consumer.group);
    expect((await bench.effects(consumer.group)).every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('are acknowledged before the next of them begins', async () => {
    const left: number[] = [];
    const consumer = bench.consumer({ concurrency: 8, transaction: 'batch' }, async () => {
      left.push((await bench.pendingOf(consumer.group)).length);
    });
    await bench.publish(...aggregates(6));
    await dieTwice(consumer.group);
    bench.start(consumer, { acknowledgeLingerMs: 60_000, acknowledgeCount: 1_000 });
    await bench.nothingPending(consumer.group);

    expect(left).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it('are counted once, however often the database goes away in their midst', async () => {
    let outages = 0;
    const counts: number[] = [];
    const consumer = bench.consumer({}, async () => {
      counts.push(...(await deliveriesOf(consumer.group)));
      if (outages === 4) return;
      outages += 1;
      await bench.database.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity 
          where datname = current_database() and application_name = 'runner first'`,
      );
    });
    await bench.publish('user-1');
    await dieTwice(consumer.group);
    bench.start(consumer);
    await bench.nothingPending(consumer.group);

    expect(counts).toEqual([3, 3, 3, 3, 3]);
    expect((await bench.effects(consumer.group)).map(({ attempt }) => attempt)).toEqual([1]);
  });

  it('need not be alone any more once their handler has failed and the process lives', async () => {
    const other = Promise.withResolvers<void>();
    const again = Promise.withResolvers<void>();
    const consumer = bench.consumer(
      { retry: { maxAttempts: 3, backoff: exponential('50ms') }, concurrency: 4 },
      async ({ aggregateId, attempt }) => {
        if (aggregateId === 'user-1' && attempt === 1) throw new Error('malformed');
        if (aggregateId === 'user-2') other.resolve();
        else again.resolve();
        await Promise.all([other.promise, again.promise]);
      },
    );
    await bench.publish('user-1');
    await dieTwice(consumer.group);
    bench.start(consumer);
    await eventually(async () => (await bench.pendingOf(consumer.group))[0]?.failure?.attempts === 1);
    expect(await deliveriesOf(consumer.group)).toEqual([1]);

    // Its second attempt and the other's first wait for each other.
    await bench.publish('user-2');
    await bench.nothingPending(consumer.group);
    expect((await bench.effects(consumer.group)).map(({ attempt }) => attempt).sort((a, b) => a - b)).toEqual(
      [1, 2],
    );
  });

  it('are not blamed for a lease that was lost in their midst', async () => {
    let isLost = false;
    const consumer = bench.consumer({ ordering: 'aggregate' }, async ({ signal }) => {
      if (isLost) return;
      isLost = true;
      await bench.database.pool.query(
        `update inbox_leases set token = token + 1, expires_at = '-infinity' where consumer_group = $1`,
        [consumer.group],
      );
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    });
    await bench.publish('user-1');
    await dieTwice(consumer.group);
    bench.start(consumer, { leaseTtlMs: 600 });
    await eventually(() => consumer.calls.length > 0);
    const counts = new Set<number>();
    await eventually(
      async () => {
        for (const count of await deliveriesOf(consumer.group)) counts.add(count);
        return (await bench.effects(consumer.group)).length === 1;
      },
      { intervalMs: 1 },
    );

    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
  });

  it('of which another runner has taken one over meanwhile are left to that one', async () => {
    const consumer = bench.consumer({ concurrency: 2 });
    const [, second] = await bench.publish('user-1', 'user-2');
    await dieTwice(consumer.group);
    const thief = bench.transport.reader();
    const gate = Promise.withResolvers<void>();
    const robbed = { ...consumer, ...bench.consumer({ group: consumer.group }, () => gate.promise) };
    bench.start(robbed);
    await eventually(() => robbed.calls.length === 1);

    await thief.claim(
      { stream: bench.stream, group: consumer.group },
      { consumer: 'thief', minIdleMs: 0, count: 10, maxDeliveries: 5 },
    );
    gate.resolve();
    await eventually(async () => (await bench.pendingOf(consumer.group)).length === 1);
    const [kept] = await bench.pendingOf(consumer.group);

    expect(kept).toMatchObject({ consumer: 'thief', deliveries: 2 });
    expect(kept?.fields?.event_id).toBe(second?.eventId);
    expect(robbed.calls).toHaveLength(1);
  });
});
