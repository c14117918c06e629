import { startProxy } from '@event-bus/testkit';
import type { GroupReader } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { createGroupBench, type GroupBench, types } from './testing/group-bench.ts';

// What is asked for at first takes the link longer than a runner waits for a reply.
const link = { bytesPerSecond: 10_000_000, patienceMs: 1_000 } as const;
const events = { count: 200, bytes: 250_000, atFirst: 100 } as const;

let bench: GroupBench;
let proxy: Awaited<ReturnType<typeof startProxy>>;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
  proxy = await startProxy(bench.redis.port);
});
afterEach(async () => {
  await bench.close();
  await proxy.close();
});

/** A transport through the proxy, and for how many entries it was asked by each read that was answered. */
function createSlowTransport() {
  const url = `redis://127.0.0.1:${proxy.port}`;
  const transport = createRedisTransport({ url, commandTimeoutMs: link.patienceMs });
  const answered: number[] = [];
  const reader = (): GroupReader => {
    const inner = transport.reader();
    return {
      ...inner,
      async read(request) {
        const deliveries = await inner.read(request);
        if (deliveries.length > 0) answered.push(request.count);
        return deliveries;
      },
    };
  };
  return { transport: { ...transport, reader }, answered };
}

it.each(['none', 'aggregate'] as const)(
  'a backlog of large events passes a slow link, in portions that it carries in time (ordering: %s)',
  async (ordering) => {
    const payload = JSON.stringify({ name: 'x'.repeat(events.bytes) });
    for (let round = 0; round < events.count / 20; round += 1) {
      const of = (n: number) => ({ aggregateId: `user-${n}`, type: types.renamed, payload });
      await bench.publisher.publishEvents(...Array.from({ length: 20 }, (_, n) => of(n)));
    }
    proxy.slow(link.bytesPerSecond);
    const { transport, answered } = createSlowTransport();
    const consumer = bench.consumer({ ordering });

    bench.start(consumer, { transport, claimIdleMs: 1_000, readCount: events.atFirst });
    await bench.nothingPending(consumer.group);

    expect(new Set(consumer.calls.map(({ eventId }) => eventId)).size).toBe(events.count);
    expect(await bench.effects(consumer.group)).toHaveLength(events.count);
    // The first one may have been answered, where this process paused just then.
    const later = answered.slice(1);
    expect(later).not.toEqual([]);
    expect(Math.max(...later)).toBeLessThan(events.atFirst / 2);
  },
);
