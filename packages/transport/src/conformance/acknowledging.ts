import { describe, expect, it } from 'vitest';
import { type Bench, eventIds, failure, ids, namesOf, type OpenTransport, PLACES, setUp } from './setup.ts';

/** Takes everything back that a place got from some entry on, and gives it other events under the same IDs. */
async function goBackInTime(
  { backdoor, reader, ref, key }: Bench,
  entries: readonly { readonly id: string; readonly eventId: string }[],
): Promise<void> {
  await backdoor.deleteStream(key);
  for (const { id, eventId } of entries) await backdoor.addEntry(key, { event_id: eventId }, id);
  await reader.ensureGroup(ref, '0');
}

const numbered = (count: number, name: string) =>
  Array.from({ length: count }, (_, n) => ({ id: `${1_000 + n}-1`, eventId: `${name}${n}` }));

/** What becomes of entries that were handled. */
export function testAcknowledging(open: OpenTransport): void {
  describe.each(PLACES)('acknowledging what comes from the %s', (place) => {
    it('ends what was pending until then, once', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      await publish('a', 'b', 'c');
      const names = namesOf(await take('one'));

      expect(await reader.acknowledge(ref, names.slice(0, 1))).toBe(1);
      expect(await reader.acknowledge(ref, names.slice(0, 1))).toBe(0);

      expect((await status()).pending).toBe(2);
      expect(await reader.acknowledge(ref, names)).toBe(2);
      expect(await reader.acknowledge(ref, [])).toBe(0);
      expect(await status()).toMatchObject({ pending: 0, oldestPendingIdleMs: null });
    });

    it('goes for thousands at a time, in any order', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      await publish(...Array.from({ length: 2_500 }, (_, index) => `e${index}`));
      const names = namesOf(await take('one', 2_500));

      expect(await reader.acknowledge(ref, [...names.slice(1_700), ...names.slice(0, 1_700)])).toBe(2_500);

      expect((await status()).pending).toBe(0);
    });

    it('forgets what failed', async () => {
      const { reader, ref, publish, take } = await setUp(open, place);
      const [a = ''] = await publish('a');
      const taken = await take('one');
      await reader.recordFailures(ref, 'one', new Map([[a, failure('a', { final: true })]]));

      await reader.acknowledge(ref, namesOf(taken));

      expect(await reader.failures(ref, [a])).toEqual(new Map());
    });

    it('goes for entries that stand there no longer, and for those of foreign writers', async () => {
      const { reader, backdoor, ref, key, take, status } = await setUp(open, place);
      await backdoor.addEntry(key, { hello: 'world' });
      const deleted = await backdoor.addEntry(key, { event_id: 'a' });
      const taken = await take('one');
      await backdoor.deleteEntry(key, deleted);

      expect(await reader.acknowledge(ref, namesOf(taken))).toBe(2);

      expect((await status()).pending).toBe(0);
    });

    it('leaves an entry alone whose ID stands for another event by now', async () => {
      const bench = await setUp(open, place);
      const { reader, observer, ref, key, take, status } = bench;
      await goBackInTime(bench, numbered(3, 'old'));
      const handled = namesOf(await take('one'));
      await goBackInTime(bench, [
        { id: '1000-1', eventId: 'old0' },
        { id: '1001-1', eventId: 'new' },
        { id: '1002-1', eventId: 'old2' },
      ]);
      const [, other] = await take('two');
      await reader.recordFailures(ref, 'two', new Map([['1001-1', failure('new')]]));

      expect(await reader.acknowledge(ref, handled)).toBe(2);

      expect((await status()).pending).toBe(1);
      expect(await reader.keep(ref, 'two', [other?.id ?? ''])).toEqual(['1001-1']);
      expect(await reader.failures(ref, ['1001-1'])).toEqual(new Map([['1001-1', failure('new')]]));
      expect(eventIds(await observer.range(key, '1001-1', '1001-1', 1))).toEqual(['new']);
    });

    it('leaves an entry alone that stands for another event and was not delivered yet', async () => {
      const bench = await setUp(open, place);
      await goBackInTime(bench, numbered(2, 'old'));
      const handled = namesOf(await bench.take('one'));
      await goBackInTime(bench, numbered(2, 'new'));

      expect(await bench.reader.acknowledge(bench.ref, handled)).toBe(0);

      expect(eventIds(await bench.take('two'))).toEqual(['new0', 'new1']);
    });

    it('tells, of hundreds, those from before a failover from those that came after it', async () => {
      const bench = await setUp(open, place);
      const old = numbered(300, 'old');
      await goBackInTime(bench, old);
      const handled = namesOf(await bench.take('one', 300));
      await goBackInTime(bench, [...old.slice(0, 280), ...numbered(300, 'new').slice(280)]);
      const now = await bench.take('two', 300);

      expect(await bench.reader.acknowledge(bench.ref, handled.toReversed())).toBe(280);

      expect(await bench.reader.keep(bench.ref, 'two', ids(now))).toEqual(ids(now.slice(280)));
    });
  });
}
