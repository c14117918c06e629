import { describe, expect, it } from 'vitest';
import type { Delivery } from '../transport.ts';
import { type Bench, eventIds, failure, fieldsOf, ids, type OpenTransport, setUp } from './setup.ts';

async function claimAll({ reader, ref }: Bench, consumer: string, minIdleMs: number, count: number) {
  const deliveries: Delivery[] = [];
  const vanished: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof reader.claim>> = await reader.claim(ref, {
      consumer,
      minIdleMs,
      count,
      cursor,
    });
    deliveries.push(...page.deliveries);
    vanished.push(...page.vanished);
    cursor = page.cursor;
  } while (cursor !== null);
  return { deliveries, vanished };
}

/** How entries of the dead reach the living. */
export function testClaiming(open: OpenTransport): void {
  describe('claiming', () => {
    it('takes over entries and counts their delivery', async () => {
      const bench = await setUp(open);
      const [a] = await bench.publish('a');
      await bench.take('dead');

      const { deliveries } = await claimAll(bench, 'alive', 0, 10);

      expect(deliveries).toEqual([{ id: a, stream: bench.stream, fields: fieldsOf('a'), deliveries: 2 }]);
      const { consumers } = await bench.status();
      expect(new Map(consumers.map(({ name, pending }) => [name, pending]))).toEqual(
        new Map([
          ['alive', 1],
          ['dead', 0],
        ]),
      );
    });

    it('leaves entries alone that were touched lately', async () => {
      const bench = await setUp(open);
      const [a = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.backdoor.age(bench.ref, 'one', [a], 3_600_000);

      const { deliveries } = await claimAll(bench, 'two', 1_800_000, 10);

      expect(eventIds(deliveries)).toEqual(['a']);
    });

    it('starts the idle time of what it takes over anew', async () => {
      const bench = await setUp(open);
      const delivered = await bench.publish('a');
      await bench.take('one');
      await bench.backdoor.age(bench.ref, 'one', delivered, 3_600_000);
      await claimAll(bench, 'two', 1_800_000, 10);

      expect(await claimAll(bench, 'three', 1_800_000, 10)).toEqual({ deliveries: [], vanished: [] });
    });

    it('goes through the whole pending list page by page', async () => {
      const bench = await setUp(open);
      const names = Array.from({ length: 25 }, (_, index) => `e${index}`);
      await bench.publish(...names);
      await bench.take('dead');

      const first = await bench.reader.claim(bench.ref, { consumer: 'alive', minIdleMs: 0, count: 10 });
      const { deliveries } = await claimAll(bench, 'alive', 0, 10);

      expect(eventIds(first.deliveries)).toEqual(names.slice(0, 10));
      expect(first.cursor).toBe(first.deliveries.at(-1)?.id);
      expect(eventIds(deliveries)).toEqual(names);
    });

    it('leaves entries alone that failed for good', async () => {
      const bench = await setUp(open);
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.reader.recordFailures(
        bench.ref,
        new Map([
          [a, failure('a', { final: true })],
          [b, failure('b')],
        ]),
      );

      const { deliveries } = await claimAll(bench, 'two', 0, 10);

      expect(eventIds(deliveries)).toEqual(['b']);
      expect(await bench.status()).toMatchObject({ pending: 2, failed: 1 });
    });

    it('finds what stands behind fifty entries that failed for good', async () => {
      const bench = await setUp(open);
      const names = Array.from({ length: 51 }, (_, index) => `e${index}`);
      const published = await bench.publish(...names);
      await bench.take('one');
      const failures = published
        .slice(0, 50)
        .map((id, index) => [id, failure(`e${index}`, { final: true })] as const);
      await bench.reader.recordFailures(bench.ref, new Map(failures));

      expect(eventIds((await claimAll(bench, 'two', 0, 10)).deliveries)).toEqual(['e50']);
    });

    it('forgets a failure of another event that had the same entry ID', async () => {
      const bench = await setUp(open);
      const [a = ''] = await bench.publish('a');
      await bench.take('one');
      await bench.reader.recordFailures(bench.ref, new Map([[a, failure('lost', { final: true })]]));

      const { deliveries } = await claimAll(bench, 'two', 0, 10);

      expect(eventIds(deliveries)).toEqual(['a']);
      expect(await bench.reader.failures(bench.ref, [a])).toEqual(new Map());
    });

    it('claims foreign entries without an event ID, unless they failed for good', async () => {
      const bench = await setUp(open);
      const given = await bench.backdoor.addEntry(bench.stream, { hello: 'world' });
      const failed = await bench.backdoor.addEntry(bench.stream, { hello: 'moon' });
      await bench.take('one');
      await bench.reader.recordFailures(bench.ref, new Map([[failed, failure('', { final: true })]]));

      expect(ids((await claimAll(bench, 'two', 0, 10)).deliveries)).toEqual([given]);
    });

    it('acknowledges and reports what no longer stands in the stream', async () => {
      const bench = await setUp(open);
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.reader.recordFailures(bench.ref, new Map([[a, failure('a', { final: true })]]));
      await bench.backdoor.deleteEntry(bench.stream, a);

      const { deliveries, vanished } = await claimAll(bench, 'two', 0, 10);

      expect(ids(deliveries)).toEqual([b]);
      expect(vanished).toEqual([a]);
      expect(await bench.status()).toMatchObject({ pending: 1, failed: 0 });
    });

    it('gives each entry to one of several that claim at once', async () => {
      const bench = await setUp(open);
      const published = await bench.publish(...Array.from({ length: 40 }, (_, index) => `e${index}`));
      await bench.take('dead');
      await bench.backdoor.age(bench.ref, 'dead', published, 3_600_000);
      const readers = [1, 2, 3, 4].map(() => bench.transport.reader());

      const claims = await Promise.all(
        readers.map((reader, index) => claimAll({ ...bench, reader }, `c${index}`, 1_800_000, 7)),
      );

      const claimed = claims.flatMap(({ deliveries }) => ids(deliveries));
      expect(claimed.toSorted()).toEqual(published.toSorted());
    });
  });
}
