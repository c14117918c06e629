import { describe, expect, it } from 'vitest';
import type { PendingEntry } from '../transport.ts';
import { type Bench, claiming, eventIds, failure, ids, type OpenTransport, PLACES, setUp } from './setup.ts';

const hourMs = 3_600_000;

interface Search {
  readonly minIdleMs?: number;
  readonly maxDeliveries?: number;
  readonly count?: number;
}

/** Everything that waits to be dead-lettered, found in how many pages. */
async function searchAll({ mover, ref }: Bench, search: Search = {}) {
  const entries: PendingEntry[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const request = { minIdleMs: 0, maxDeliveries: 100, count: 20, ...search, cursor };
    const page: Awaited<ReturnType<typeof mover.givenUp>> = await mover.givenUp(ref, request);
    entries.push(...page.entries);
    cursor = page.cursor;
    pages += 1;
  } while (cursor !== null);
  return { entries, pages };
}

/** Lets processes die with an entry in hand until it was handed out three times; the last one is called `third`. */
async function exhaust({ reader, backdoor, ref }: Bench, holder: string, id: string): Promise<void> {
  let last = holder;
  for (const consumer of ['second', 'third']) {
    await backdoor.age(ref, last, [id], hourMs);
    await reader.claim(ref, claiming(consumer, { minIdleMs: hourMs / 2 }));
    last = consumer;
  }
  await reader.countDelivery(ref, last, id);
  await backdoor.age(ref, last, [id], hourMs);
}

/** How those who give entries up find them. */
export function testGivingUp(open: OpenTransport): void {
  describe.each(PLACES)('what waits on the %s to be dead-lettered', (place) => {
    it('is what failed for good and what was handed out too often, with all that is known of it', async () => {
      const bench = await setUp(open, place);
      const [a = '', b = '', c = ''] = await bench.publish('a', 'b', 'c', 'd');
      await bench.take('one', 3);
      await bench.reader.recordFailures(
        bench.ref,
        'one',
        new Map([
          [a, failure('a')],
          [b, failure('b', { final: true })],
        ]),
      );
      await exhaust(bench, 'one', c);

      const { entries } = await searchAll(bench, { maxDeliveries: 3 });

      expect(entries).toEqual([
        {
          id: b,
          consumer: 'one',
          idleMs: expect.any(Number) as number,
          deliveries: 1,
          failure: failure('b', { final: true }),
          fields: bench.delivery(b, 'b', 1).fields,
        },
        expect.objectContaining({ id: c, consumer: 'third', deliveries: 3, failure: null }),
      ]);
    });

    it('is not what somebody has touched lately', async () => {
      const bench = await setUp(open, place);
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      const failures = [a, b].map((id, n) => [id, failure(n === 0 ? 'a' : 'b', { final: true })] as const);
      await bench.reader.recordFailures(bench.ref, 'one', new Map(failures));
      await bench.backdoor.age(bench.ref, 'one', [b], hourMs);

      expect(ids((await searchAll(bench, { minIdleMs: hourMs / 2 })).entries)).toEqual([b]);
    });

    it('is found though it was handed back, and not older than it is', async () => {
      const bench = await setUp(open, place);
      const [a = ''] = await bench.publish('a');
      const taken = await bench.take('one');
      await bench.reader.recordFailures(bench.ref, 'one', new Map([[a, failure('a', { final: true })]]));
      await bench.reader.release(bench.ref, 'one', taken);

      const { entries } = await searchAll(bench, { minIdleMs: hourMs });

      expect(ids(entries)).toEqual([a]);
      expect(entries[0]?.idleMs).toBeLessThan(hourMs);
    });

    it('is reported when it stands there no longer, and dropped if that is still so', async () => {
      const bench = await setUp(open, place);
      const { mover, reader, backdoor, ref, key } = bench;
      const [a = '', b = ''] = await bench.publish('a', 'b');
      await bench.take('one');
      await reader.recordFailures(ref, 'one', new Map([[a, failure('a', { final: true })]]));
      await backdoor.deleteEntry(key, a);

      const { entries } = await searchAll(bench);
      const dropped = await mover.dropVanished(ref, [a, b]);

      expect(entries).toMatchObject([{ id: a, consumer: 'one', failure: null, fields: null }]);
      expect(dropped).toBe(1);
      expect(await mover.dropVanished(ref, [a])).toBe(0);
      expect(await bench.status()).toMatchObject({ pending: 1, failed: 0 });
      expect(await reader.failures(ref, [a])).toEqual(new Map());
    });

    it('is not what another event with the same entry ID had failed of', async () => {
      const bench = await setUp(open, place);
      const { reader, backdoor, ref, key } = bench;
      await backdoor.addEntry(key, { event_id: 'lost' }, '5-1');
      await bench.take('one');
      await reader.recordFailures(ref, 'one', new Map([['5-1', failure('lost', { final: true })]]));
      await backdoor.deleteStream(key);
      await reader.ensureGroup(ref, '0');
      await backdoor.addEntry(key, { event_id: 'a' }, '5-1');
      await bench.take('one');
      expect((await searchAll(bench)).entries).toEqual([]);

      await exhaust(bench, 'one', '5-1');

      // Its record is no part of what is known of this one, and looking has not removed it: who looks does not write.
      const { entries } = await searchAll(bench, { maxDeliveries: 3 });
      expect(entries).toMatchObject([{ id: '5-1', failure: null }]);
    });

    it('is looked for without a trace', async () => {
      const bench = await setUp(open, place);
      const { reader, backdoor, observer, ref, key } = bench;
      await backdoor.addEntry(key, { event_id: 'lost' }, '5-1');
      await bench.take('one');
      await reader.recordFailures(ref, 'one', new Map([['5-1', failure('lost', { final: true })]]));
      await backdoor.deleteStream(key);
      await reader.ensureGroup(ref, '0');
      await backdoor.addEntry(key, { event_id: 'a' }, '5-1');
      const gone = await backdoor.addEntry(key, { event_id: 'b' }, '5-2');
      await bench.take('one');
      await backdoor.age(ref, 'one', ['5-1', gone], hourMs);
      await backdoor.deleteEntry(key, gone);

      await searchAll(bench, { minIdleMs: hourMs / 2, maxDeliveries: 1 });

      expect(await reader.failures(ref, ['5-1'])).toEqual(
        new Map([['5-1', failure('lost', { final: true })]]),
      );
      expect((await observer.pending(ref, null, 9)).map(({ id, idleMs }) => [id, idleMs > 0])).toEqual([
        ['5-1', true],
        ['5-2', true],
      ]);
    });

    it('is found where fifty others stand before it', async () => {
      const bench = await setUp(open, place);
      const names = Array.from({ length: 53 }, (_, index) => `e${index}`);
      const published = await bench.publish(...names);
      await bench.take('one');
      const failed = [...published.keys()].filter((index) => index < 50 || index === 52);
      await bench.reader.recordFailures(
        bench.ref,
        'one',
        new Map(failed.map((n) => [published[n] ?? '', failure(`e${n}`, { final: true })])),
      );

      const { entries } = await searchAll(bench, { count: 20 });

      expect(ids(entries)).toEqual(failed.map((n) => published[n]));
    });

    it('is found behind ten thousand that are in good hands, and behind as many that are only idle', async () => {
      const bench = await setUp(open, place);
      const names = Array.from({ length: 10_001 }, (_, index) => `e${index}`);
      const published = await bench.publish(...names);
      const last = published.at(-1) ?? '';
      await bench.take('one', 10_001);
      await exhaust(bench, 'one', last);

      const busy = await searchAll(bench, { minIdleMs: hourMs / 2, maxDeliveries: 3, count: 100 });
      const idle = await searchAll(bench, { maxDeliveries: 3, count: 500 });

      expect([ids(busy.entries), busy.pages]).toEqual([[last], 1]);
      expect([ids(idle.entries), idle.pages]).toEqual([[last], 21]);
    });

    it('is found whole where it is large', async () => {
      const bench = await setUp(open, place);
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
      const payload = 'x'.repeat(1_000_000);
      for (const event_id of names) await bench.backdoor.addEntry(bench.key, { event_id, payload });
      await bench.take('one');

      const { entries } = await searchAll(bench, { maxDeliveries: 1 });

      expect(eventIds(entries.map(({ fields }) => ({ fields: fields ?? {} })))).toEqual(names);
      expect(entries.every(({ fields }) => fields?.payload === payload)).toBe(true);
    });
  });
}
