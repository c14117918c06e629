import { describe, expect, it } from 'vitest';
import type { StreamEntry } from '../entry.ts';
import type { ClaimPage, Delivery } from '../transport.ts';
import {
  type Bench,
  claiming,
  eventIds,
  failure,
  ids,
  namesOf,
  type OpenTransport,
  PLACES,
  setUp,
} from './setup.ts';

async function claimAll({ reader, ref }: Bench, request: ReturnType<typeof claiming>) {
  const deliveries: Delivery[] = [];
  const vanished: string[] = [];
  const givenUp: StreamEntry[] = [];
  let cursor: string | null = null;
  do {
    const page: ClaimPage = await reader.claim(ref, { ...request, cursor });
    deliveries.push(...page.deliveries);
    vanished.push(...page.vanished);
    givenUp.push(...page.givenUp);
    cursor = page.cursor;
  } while (cursor !== null);
  return { deliveries, vanished, givenUp };
}

/** How entries of the dead reach the living. */
export function testClaiming(open: OpenTransport): void {
  describe.each(PLACES)('claiming what comes from the %s', (place) => {
    it('takes over entries and counts their delivery', async () => {
      const bench = await setUp(open, place);
      const [a = ''] = await bench.publish('a');
      await bench.take('dead');

      const { deliveries } = await claimAll(bench, claiming('alive'));

      expect(deliveries).toEqual([bench.delivery(a, 'a', 2)]);
      const { consumers } = await bench.status();
      expect(new Map(consumers.map(({ name, pending }) => [name, pending]))).toEqual(
        new Map([
          ['alive', 1],
          ['dead', 0],
        ]),
      );
    });

    it('leaves entries alone that were touched lately', async () => {
      const bench = await setUp(open, place);
      const [a = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.backdoor.age(bench.ref, 'one', [a], 3_600_000);

      const { deliveries } = await claimAll(bench, claiming('two', { minIdleMs: 1_800_000 }));

      expect(eventIds(deliveries)).toEqual(['a']);
    });

    it('starts the idle time of what it takes over anew', async () => {
      const bench = await setUp(open, place);
      const delivered = await bench.publish('a');
      await bench.take('one');
      await bench.backdoor.age(bench.ref, 'one', delivered, 3_600_000);
      await claimAll(bench, claiming('two', { minIdleMs: 1_800_000 }));

      expect(await claimAll(bench, claiming('three', { minIdleMs: 1_800_000 }))).toMatchObject({
        deliveries: [],
      });
    });

    it('goes through the whole pending list page by page', async () => {
      const bench = await setUp(open, place);
      const names = Array.from({ length: 25 }, (_, index) => `e${index}`);
      await bench.publish(...names);
      await bench.take('dead');

      const first = await bench.reader.claim(bench.ref, claiming('alive'));
      const { deliveries } = await claimAll(bench, claiming('alive'));

      expect(eventIds(first.deliveries)).toEqual(names.slice(0, 10));
      expect(first.cursor).toBe(first.deliveries.at(-1)?.id);
      expect(eventIds(deliveries)).toEqual(names);
    });

    it('takes over what is large whole, in however many pages', async () => {
      const bench = await setUp(open, place);
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
      const payload = 'x'.repeat(1_000_000);
      for (const event_id of names) await bench.backdoor.addEntry(bench.key, { event_id, payload });
      await bench.take('dead');

      const { deliveries } = await claimAll(bench, claiming('alive'));

      expect(eventIds(deliveries)).toEqual(names);
      expect(deliveries.every(({ fields }) => fields.payload === payload)).toBe(true);
    });

    it('leaves entries alone that failed for good', async () => {
      const bench = await setUp(open, place);
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.reader.recordFailures(
        bench.ref,
        'one',
        new Map([
          [a, failure('a', { final: true })],
          [b, failure('b')],
        ]),
      );

      const { deliveries } = await claimAll(bench, claiming('two'));

      expect(eventIds(deliveries)).toEqual(['b']);
      expect(await bench.status()).toMatchObject({ pending: 2, failed: 1 });
    });

    it('finds what stands behind fifty entries that failed for good', async () => {
      const bench = await setUp(open, place);
      const names = Array.from({ length: 51 }, (_, index) => `e${index}`);
      const published = await bench.publish(...names);
      await bench.take('one');
      const failures = published
        .slice(0, 50)
        .map((id, index) => [id, failure(`e${index}`, { final: true })] as const);
      await bench.reader.recordFailures(bench.ref, 'one', new Map(failures));

      expect(eventIds((await claimAll(bench, claiming('two'))).deliveries)).toEqual(['e50']);
    });

    it('forgets a failure of another event that had the same entry ID', async () => {
      const bench = await setUp(open, place);
      const { reader, backdoor, ref, key } = bench;
      await backdoor.addEntry(key, { event_id: 'lost' }, '5-1');
      await bench.take('one');
      await reader.recordFailures(ref, 'one', new Map([['5-1', failure('lost', { final: true })]]));
      await backdoor.deleteStream(key);
      await reader.ensureGroup(ref, '0');
      await backdoor.addEntry(key, { event_id: 'a' }, '5-1');
      await bench.take('one');

      const { deliveries } = await claimAll(bench, claiming('two'));

      expect(eventIds(deliveries)).toEqual(['a']);
      expect(await reader.failures(ref, ['5-1'])).toEqual(new Map());
    });

    it('leaves entries alone that were handed out too often', async () => {
      const bench = await setUp(open, place);
      await bench.publish('a', 'b');
      await bench.take('one');
      await bench.reader.claim(bench.ref, claiming('two', { count: 1 }));

      const { deliveries } = await claimAll(bench, claiming('three', { maxDeliveries: 2 }));

      expect(eventIds(deliveries)).toEqual(['b']);
      expect((await bench.status()).pending).toBe(2);
    });

    it('reports what it leaves alone, if it is asked for', async () => {
      const bench = await setUp(open, place);
      const [, b = ''] = await bench.publish('a', 'b', 'c');
      await bench.take('one');
      await bench.reader.claim(bench.ref, claiming('one', { count: 1 }));
      await bench.reader.recordFailures(bench.ref, 'one', new Map([[b, failure('b', { final: true })]]));
      const request = claiming('two', { maxDeliveries: 2, count: 1 });

      const silent = await claimAll(bench, request);
      const telling = await claimAll(bench, { ...request, withGivenUp: true });

      expect([eventIds(silent.deliveries), silent.givenUp]).toEqual([['c'], []]);
      expect([telling.deliveries, eventIds(telling.givenUp)]).toEqual([[], ['a', 'b', 'c']]);
      expect(telling.givenUp[0]?.fields).toEqual(bench.delivery('', 'a', 1).fields);
    });

    it('counts deliveries up to the second, and tells of the one at hand', async () => {
      const bench = await setUp(open, place);
      await bench.publish('a');
      await bench.take('one');
      const told: number[] = [];
      const counted: number[] = [];

      for (const consumer of ['two', 'three', 'four']) {
        const { deliveries } = await bench.reader.claim(bench.ref, claiming(consumer, { maxDeliveries: 3 }));
        told.push(...deliveries.map(({ deliveries: count }) => count));
        counted.push(
          ...(await bench.observer.pending(bench.ref, null, 9)).map(({ deliveries: count }) => count),
        );
      }

      expect(told).toEqual([2, 3, 3]);
      expect(counted).toEqual([2, 2, 2]);
    });

    it('counts a delivery from the third on when its handling begins', async () => {
      const bench = await setUp(open, place);
      const { reader, ref } = bench;
      const [a = ''] = await bench.publish('a');
      await bench.take('one');
      await reader.claim(ref, claiming('two'));
      await reader.claim(ref, claiming('three'));

      expect(await reader.countDelivery(ref, 'three', a)).toBe(3);
      const fourth = await reader.claim(ref, claiming('four'));
      expect(await reader.countDelivery(ref, 'four', a)).toBe(4);
      const left = await reader.claim(ref, claiming('five', { maxDeliveries: 4, withGivenUp: true }));

      expect(fourth.deliveries.map(({ deliveries }) => deliveries)).toEqual([4]);
      expect([left.deliveries, ids(left.givenUp)]).toEqual([[], [a]]);
    });

    it('counts no delivery of what is not in the hands of who asks', async () => {
      const bench = await setUp(open, place);
      const { reader, ref } = bench;
      const [a = '', b = '', c = ''] = await bench.publish('a', 'b', 'c');
      const [, second] = await bench.take('one', 2);
      await reader.claim(ref, claiming('two', { count: 1 }));
      await reader.acknowledge(ref, namesOf(second === undefined ? [] : [second]));

      expect(await reader.countDelivery(ref, 'one', a)).toBeNull();
      expect(await reader.countDelivery(ref, 'one', b)).toBeNull();
      expect(await reader.countDelivery(ref, 'one', c)).toBeNull();

      expect(await bench.observer.pending(ref, null, 9)).toMatchObject([
        { id: a, consumer: 'two', deliveries: 2 },
      ]);
    });

    it('claims foreign entries without an event ID, unless they failed for good', async () => {
      const bench = await setUp(open, place);
      const given = await bench.backdoor.addEntry(bench.key, { hello: 'world' });
      const failed = await bench.backdoor.addEntry(bench.key, { hello: 'moon' });
      await bench.take('one');
      await bench.reader.recordFailures(bench.ref, 'one', new Map([[failed, failure('', { final: true })]]));

      expect(ids((await claimAll(bench, claiming('two'))).deliveries)).toEqual([given]);
    });

    it('acknowledges and reports what no longer stands in the stream', async () => {
      const bench = await setUp(open, place);
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await bench.reader.recordFailures(bench.ref, 'one', new Map([[a, failure('a', { final: true })]]));
      await bench.backdoor.deleteEntry(bench.key, a);

      const { deliveries, vanished } = await claimAll(bench, claiming('two'));

      expect(ids(deliveries)).toEqual([b]);
      expect(vanished).toEqual([a]);
      expect(await bench.status()).toMatchObject({ pending: 1, failed: 0 });
    });

    it('gives each entry to one of several that claim at once', async () => {
      const bench = await setUp(open, place);
      const published = await bench.publish(...Array.from({ length: 40 }, (_, index) => `e${index}`));
      await bench.take('dead');
      await bench.backdoor.age(bench.ref, 'dead', published, 3_600_000);
      const readers = [1, 2, 3, 4].map(() => bench.transport.reader());

      const claims = await Promise.all(
        readers.map((reader, index) =>
          claimAll({ ...bench, reader }, claiming(`c${index}`, { minIdleMs: 1_800_000, count: 7 })),
        ),
      );

      const claimed = claims.flatMap(({ deliveries }) => ids(deliveries));
      expect(claimed.toSorted()).toEqual(published.toSorted());
    });
  });
}
