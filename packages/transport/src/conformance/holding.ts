import { describe, expect, it } from 'vitest';
import { ids, type OpenTransport, setUp } from './setup.ts';

/** How a consumer keeps what it holds, and how it hands it back. */
export function testHolding(open: OpenTransport): void {
  describe('keeping', () => {
    it('resets the idle time and counts no delivery', async () => {
      const { reader, backdoor, ref, publish, take } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      await backdoor.age(ref, 'one', [a, b], 3_600_000);

      expect(await reader.keep(ref, 'one', [a])).toEqual([a]);

      const { deliveries } = await reader.claim(ref, { consumer: 'two', minIdleMs: 1_800_000, count: 10 });
      expect(ids(deliveries)).toEqual([b]);
      const all = await reader.claim(ref, { consumer: 'two', minIdleMs: 0, count: 10 });
      expect(all.deliveries.map(({ id, deliveries: count }) => [id, count])).toEqual([
        [a, 2],
        [b, 3],
      ]);
    });

    it('never steals back what another consumer has claimed', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one');
      await reader.claim(ref, { consumer: 'two', minIdleMs: 0, count: 1 });

      expect(await reader.keep(ref, 'one', [a, b])).toEqual([b]);

      const { consumers } = await status();
      expect(consumers.find(({ name }) => name === 'two')?.pending).toBe(1);
    });

    it('does not bring back what was acknowledged, nor take what was never delivered', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');
      await take('one', 1);
      await reader.acknowledge(ref, [a]);

      expect(await reader.keep(ref, 'one', [a, b, '1-1'])).toEqual([]);
      expect(await reader.keep(ref, 'one', [])).toEqual([]);

      expect((await status()).pending).toBe(0);
    });
  });

  describe('handing back', () => {
    it('offers an entry to the next claim at once, its delivery not counted', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      await take('one');

      expect(await reader.release(ref, 'one', [a])).toBe(1);

      const claim = { consumer: 'two', minIdleMs: 3_600_000, count: 10 };
      const { deliveries } = await reader.claim(ref, claim);
      expect(deliveries.map(({ id, deliveries: count }) => [id, count])).toEqual([[a, 1]]);
      expect((await reader.claim(ref, claim)).deliveries).toEqual([]);
    });

    it('keeps the deliveries that were counted before', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      await take('one');
      await reader.claim(ref, { consumer: 'two', minIdleMs: 0, count: 10 });
      await reader.release(ref, 'two', [a]);

      const { deliveries } = await reader.claim(ref, { consumer: 'three', minIdleMs: 0, count: 10 });

      expect(deliveries[0]?.deliveries).toBe(2);
    });

    it('hands back only what is still its own', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c');
      await take('one');
      await reader.claim(ref, { consumer: 'two', minIdleMs: 0, count: 1 });
      await reader.acknowledge(ref, [b]);

      expect(await reader.release(ref, 'one', [a, b, c])).toBe(1);
      expect(await reader.release(ref, 'one', [])).toBe(0);

      const { consumers, pending } = await status();
      expect(pending).toBe(2);
      expect(consumers.find(({ name }) => name === 'two')?.pending).toBe(1);
    });

    it('leaves no name behind when all that was handed back is claimed', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const published = await publish('a', 'b', 'c');
      await take('one');
      await reader.release(ref, 'one', published);

      await reader.claim(ref, { consumer: 'two', minIdleMs: 60_000, count: 2 });
      const between = await status();
      await reader.claim(ref, { consumer: 'two', minIdleMs: 60_000, count: 2 });

      expect(between.consumers.map(({ name }) => name).toSorted()).toEqual(['@released', 'one', 'two']);
      const { consumers, pending } = await status();
      expect(consumers.map(({ name }) => name).toSorted()).toEqual(['one', 'two']);
      expect(pending).toBe(3);
    });

    it('does not pass for an age-old entry', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const published = await publish('a');
      await take('one');

      await reader.release(ref, 'one', published);

      expect((await status()).oldestPendingIdleMs).toBeLessThan(3_600_000);
    });
  });
}
