import { describe, expect, it } from 'vitest';
import { claiming, failure, ids, namesOf, type OpenTransport, PLACES, setUp } from './setup.ts';

/** How a consumer keeps what it holds, and how it hands it back. */
export function testHolding(open: OpenTransport): void {
  describe.each(PLACES)('keeping what comes from the %s', (place) => {
    it('resets the idle time and counts no delivery', async () => {
      const { reader, backdoor, ref, publish, take } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      await backdoor.age(ref, 'one', [a, b], 3_600_000);

      expect(await reader.keep(ref, 'one', [a])).toEqual([a]);

      const { deliveries } = await reader.claim(ref, claiming('two', { minIdleMs: 1_800_000, count: 10 }));
      expect(ids(deliveries)).toEqual([b]);
      const all = await reader.claim(ref, claiming('two'));
      expect(all.deliveries.map(({ id, deliveries: count }) => [id, count])).toEqual([
        [a, 2],
        [b, 3],
      ]);
    });

    it('never steals back what another consumer has claimed', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      await reader.claim(ref, claiming('two', { count: 1 }));

      expect(await reader.keep(ref, 'one', [a, b])).toEqual([b]);

      const { consumers } = await status();
      expect(consumers.find(({ name }) => name === 'two')?.pending).toBe(1);
    });

    it('does not bring back what was acknowledged, nor take what was never delivered', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b');
      await reader.acknowledge(ref, namesOf(await take('one', 1)));

      expect(await reader.keep(ref, 'one', [a, b, '1-1'])).toEqual([]);
      expect(await reader.keep(ref, 'one', [])).toEqual([]);

      expect((await status()).pending).toBe(0);
    });
  });

  describe.each(PLACES)('handing back what comes from the %s', (place) => {
    it('offers an entry to the next claim at once, its delivery not counted', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      const taken = await take('one');

      expect(await reader.release(ref, 'one', taken)).toBe(1);

      const claim = claiming('two', { minIdleMs: 3_600_000, count: 10 });
      const { deliveries } = await reader.claim(ref, claim);
      expect(deliveries.map(({ id, deliveries: count }) => [id, count])).toEqual([[a, 1]]);
      expect((await reader.claim(ref, claim)).deliveries).toEqual([]);
    });

    it('keeps the deliveries that were counted before', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      const claimed = await reader.claim(ref, claiming('two'));
      await reader.release(ref, 'two', claimed.deliveries);

      const { deliveries } = await reader.claim(ref, claiming('three'));

      expect(deliveries.map(({ id, deliveries: count }) => [id, count])).toEqual([[a, 2]]);
    });

    it('takes off no delivery that was not counted yet', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      await publish('a');
      await take('one');
      await reader.claim(ref, claiming('two'));
      const told: number[] = [];

      for (let round = 0; round < 3; round += 1) {
        const { deliveries } = await reader.claim(ref, claiming('three'));
        told.push(...deliveries.map(({ deliveries: count }) => count));
        await reader.release(ref, 'three', deliveries);
      }

      expect(told).toEqual([3, 3, 3]);
    });

    it('takes a delivery off whose handling had begun', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.claim(ref, claiming('two'));
      const third = await reader.claim(ref, claiming('three'));
      await reader.countDelivery(ref, 'three', a);

      await reader.release(ref, 'three', third.deliveries);

      const { deliveries } = await reader.claim(ref, claiming('four'));
      expect(deliveries[0]?.deliveries).toBe(3);
    });

    it('brings back no deliveries from before a recorded failure', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.claim(ref, claiming('two'));
      const { deliveries } = await reader.claim(ref, claiming('three'));
      await reader.recordFailures(ref, 'three', new Map([[a, failure('a')]]));

      await reader.release(ref, 'three', deliveries);

      const after = await reader.claim(ref, claiming('four'));
      expect(after.deliveries[0]?.deliveries).toBe(2);
    });

    it('hands back only what is still its own', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      await publish('a', 'b', 'c');
      const taken = await take('one');
      await reader.claim(ref, claiming('two', { count: 1 }));
      await reader.acknowledge(ref, namesOf(taken.slice(1, 2)));

      expect(await reader.release(ref, 'one', taken)).toBe(1);
      expect(await reader.release(ref, 'one', [])).toBe(0);

      const { consumers, pending } = await status();
      expect(pending).toBe(2);
      expect(consumers.find(({ name }) => name === 'two')?.pending).toBe(1);
    });

    it('leaves no name behind when all that was handed back is claimed', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      await publish('a', 'b', 'c');
      await reader.release(ref, 'one', await take('one'));

      await reader.claim(ref, claiming('two', { minIdleMs: 60_000, count: 2 }));
      const between = await status();
      await reader.claim(ref, claiming('two', { minIdleMs: 60_000, count: 2 }));

      expect(between.consumers.map(({ name }) => name).toSorted()).toEqual(['@released', 'one', 'two']);
      const { consumers, pending } = await status();
      expect(consumers.map(({ name }) => name).toSorted()).toEqual(['one', 'two']);
      expect(pending).toBe(3);
    });

    it('does not pass for an age-old entry', async () => {
      const { reader, observer, ref, publish, take, status } = await setUp(open, place);
      await publish('a');

      await reader.release(ref, 'one', await take('one'));

      expect((await status()).oldestPendingIdleMs).toBeLessThan(3_600_000);
      expect((await observer.pending(ref, null, 9))[0]?.idleMs).toBeLessThan(3_600_000);
    });
  });
}
