import { describe, expect, it } from 'vitest';
import { DEAD_LETTER_FIELDS } from '../entry.ts';
import { derivedKeys } from '../keys.ts';
import {
  type Bench,
  details,
  failure,
  fieldsOf,
  ids,
  injection,
  namesOf,
  type OpenTransport,
  PLACES,
  setUp,
} from './setup.ts';

/** The dead letters of the group, oldest first. */
function letters({ observer, stream, ref }: Bench) {
  return observer.range(derivedKeys.deadLetters(stream, ref.group), '-', '+', 2_000);
}

/** How entries become dead letters: whole, once, or not at all. */
export function testDeadLettering(open: OpenTransport): void {
  describe.each(PLACES)('dead-lettering what comes from the %s', (place) => {
    it('writes a copy, acknowledges the entry and forgets its failure', async () => {
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

      const id = await bench.mover.deadLetter(bench.ref, { id: a, eventId: 'a' }, details(a));

      const copies = await letters(bench);
      const given = details(a);
      expect(ids(copies)).toEqual([id]);
      expect(Object.entries(copies[0]?.fields ?? {})).toEqual([
        ...Object.entries(fieldsOf('a')),
        ...DEAD_LETTER_FIELDS.map((name) => [name, given[name]]),
      ]);
      expect(await bench.status()).toMatchObject({ pending: 1, failed: 0 });
      expect(await bench.reader.failures(bench.ref, [a, b])).toEqual(new Map([[b, failure('b')]]));
      const left = await bench.observer.range(bench.key, '-', '+', 10);
      expect(ids(left)).toEqual(place === 'stream' ? [a, b] : [b]);
    });

    it('does nothing the second time', async () => {
      const bench = await setUp(open, place);
      const [a = ''] = await bench.publish('a');
      await bench.take('one');
      await bench.mover.deadLetter(bench.ref, { id: a, eventId: 'a' }, details(a));

      expect(await bench.mover.deadLetter(bench.ref, { id: a, eventId: 'a' }, details(a))).toBeNull();

      expect(await letters(bench)).toHaveLength(1);
    });

    it('does nothing to what is not pending, or stands there no longer', async () => {
      const bench = await setUp(open, place);
      const { mover, ref } = bench;
      const [a = '', b = '', c = ''] = await bench.publish('a', 'b', 'c');
      const taken = await bench.take('one', 2);
      await bench.reader.acknowledge(ref, namesOf(taken.slice(0, 1)));
      await bench.backdoor.deleteEntry(bench.key, b);

      expect(await mover.deadLetter(ref, { id: a, eventId: 'a' }, details(a))).toBeNull();
      expect(await mover.deadLetter(ref, { id: b, eventId: 'b' }, details(b))).toBeNull();
      expect(await mover.deadLetter(ref, { id: c, eventId: 'c' }, details(c))).toBeNull();

      expect(await letters(bench)).toEqual([]);
    });

    it('leaves another event alone that has the entry ID by now', async () => {
      const bench = await setUp(open, place);
      const { mover, reader, ref } = bench;
      const [a = ''] = await bench.publish('a');
      await bench.take('one');
      await reader.recordFailures(ref, 'one', new Map([[a, failure('a', { final: true })]]));

      expect(await mover.deadLetter(ref, { id: a, eventId: 'lost' }, details(a))).toBeNull();
      expect(await mover.deadLetter(ref, { id: a, eventId: '' }, details(a))).toBeNull();

      expect(await letters(bench)).toEqual([]);
      expect(await bench.status()).toMatchObject({ pending: 1, failed: 1 });
    });

    it('takes what a foreign writer left as it is', async () => {
      const bench = await setUp(open, place);
      const id = await bench.backdoor.addEntry(bench.key, { z: '1', '': 'no name', a: '' });
      await bench.take('one');

      await bench.mover.deadLetter(bench.ref, { id, eventId: '' }, details(id));

      const [copy] = await letters(bench);
      expect(Object.entries(copy?.fields ?? {}).slice(0, 4)).toEqual([
        ['z', '1'],
        ['', 'no name'],
        ['a', ''],
        ['dlq_original_id', id],
      ]);
    });

    it('moves an entry whoever holds it', async () => {
      const bench = await setUp(open, place);
      const [a = ''] = await bench.publish('a');
      const taken = await bench.take('one');
      await bench.reader.release(bench.ref, 'one', taken);

      expect(await bench.mover.deadLetter(bench.ref, { id: a, eventId: 'a' }, details(a))).not.toBeNull();

      expect((await bench.status()).pending).toBe(0);
    });

    it('has one end for each entry, though two movers and a reader race for a thousand', async () => {
      const bench = await setUp(open, place);
      const { reader, transport, ref } = bench;
      const movers = [bench.mover, transport.mover()];
      const names = Array.from({ length: 1_000 }, (_, index) => `e${index}`);
      await bench.publish(...names);
      const entries = namesOf(await bench.take('one', 1_000));

      const ends = await Promise.all(
        entries.map(async (entry, round) => {
          const steps = [
            ...movers.map((mover) => () => mover.deadLetter(ref, entry, details(entry.id))),
            () => reader.acknowledge(ref, [entry]),
          ];
          // Whoever is sent first is often the first to arrive.
          const turn = round % steps.length;
          const inTurn = [...steps.slice(turn), ...steps.slice(0, turn)];
          const replies = await Promise.all(inTurn.map((step) => step()));
          const letterIds = replies.filter((reply) => typeof reply === 'string');
          const acknowledged = replies.find((reply) => typeof reply === 'number');
          return { letterIds, acknowledged };
        }),
      );

      const copies = await letters(bench);
      const moved = ends.flatMap(({ letterIds }) => letterIds);
      expect(ends.every((end) => end.letterIds.length + Number(end.acknowledged) === 1)).toBe(true);
      expect(new Set(ids(copies))).toEqual(new Set(moved));
      expect(copies).toHaveLength(moved.length);
      expect(new Set(copies.map(({ fields }) => fields.dlq_original_id)).size).toBe(copies.length);
      expect((await bench.status()).pending).toBe(0);
      // Each of them has won now and then.
      expect(moved.length).toBeGreaterThan(0);
      expect(moved.length).toBeLessThan(1_000);
    });
  });

  describe('dead-lettering', () => {
    it('keeps to which replay an entry belongs', async () => {
      const bench = await setUp(open, 'inject stream');
      const [a = ''] = await bench.mover.inject(bench.ref, [injection('a', { replayId: 'r-1' })]);
      await bench.take('one');

      await bench.mover.deadLetter(bench.ref, { id: a, eventId: 'a' }, details(a));

      const [copy] = await letters(bench);
      expect(Object.keys(copy?.fields ?? {})).toEqual([
        ...Object.keys(fieldsOf('a')),
        'replay_id',
        ...DEAD_LETTER_FIELDS,
      ]);
      expect(copy?.fields.replay_id).toBe('r-1');
    });
  });
}
