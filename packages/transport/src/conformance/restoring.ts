import { describe, expect, it } from 'vitest';
import { DEAD_LETTER_FIELDS } from '../entry.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import { details, eventIds, fieldsOf, ids, injection, type OpenTransport, setUp } from './setup.ts';

const letterOf = (eventId: string, deadLetterId?: string) => ({
  fields: fieldsOf(eventId),
  details: details('1-1'),
  deadLetterId,
});

async function setUpLetters(open: OpenTransport) {
  const bench = await setUp(open);
  const key = derivedKeys.deadLetters(bench.stream, bench.ref.group);
  return { ...bench, key, letters: () => bench.observer.range(key, '-', '+', 2_000) };
}

/** How dead letters that Redis has lost come back, and how they go. */
export function testRestoring(open: OpenTransport): void {
  describe('restoring dead letters', () => {
    it('writes them as moving would have', async () => {
      const { mover, ref, publish, take, letters } = await setUpLetters(open);
      const [a = ''] = await publish('a');
      await take('one');
      await mover.deadLetter(ref, { id: a, eventId: 'a' }, details(a));
      const fields = { ...fieldsOf('a'), replay_id: '' };

      const restored = await mover.restore(ref, [{ fields, details: details(a) }]);

      const [moved, again] = await letters();
      expect(again?.id).toBe(restored[0]);
      expect(Object.entries(again?.fields ?? {})).toEqual(Object.entries(moved?.fields ?? {}));
      expect(Object.keys(again?.fields ?? {}).slice(-8)).toEqual(DEAD_LETTER_FIELDS);
    });

    it('writes again only what stands there no longer, or stands for another event', async () => {
      const { mover, backdoor, ref, key, letters } = await setUpLetters(open);
      const [a, b = '', c] = await mover.restore(ref, [letterOf('a'), letterOf('b'), letterOf('c')]);
      await backdoor.deleteEntry(key, b);

      const again = await mover.restore(ref, [letterOf('a', a), letterOf('b', b), letterOf('x', c)]);

      expect(again[0]).toBe(a);
      expect(eventIds(await letters())).toEqual(['a', 'c', 'b', 'x']);
      expect(ids(await letters()).slice(2)).toEqual(again.slice(1));
      expect(
        await mover.restore(ref, [letterOf('a', again[0]), letterOf('b', again[1]), letterOf('x', again[2])]),
      ).toEqual(again);
    });

    it('goes for thousands, in order', async () => {
      const { mover, ref, letters } = await setUpLetters(open);
      const names = Array.from({ length: 1_300 }, (_, index) => `e${index}`);

      const restored = await mover.restore(
        ref,
        names.map((name) => letterOf(name)),
      );

      expect([ids(await letters()), eventIds(await letters())]).toEqual([restored, names]);
    });
  });

  describe('looking what stands', () => {
    it.each(['dead-letters', 'injected'] as const)(
      'names what does not, or for another event: %s',
      async (from) => {
        const { mover, backdoor, ref, key } = await setUpLetters(open);
        const place = from === 'injected' ? placeKey({ ...ref, injected: true }) : key;
        const names = ['a', 'b', 'c'];
        const [a = '', b = '', c = ''] =
          from === 'injected'
            ? await mover.inject(
                ref,
                names.map((name) => injection(name)),
              )
            : await mover.restore(
                ref,
                names.map((name) => letterOf(name)),
              );
        const foreign = await backdoor.addEntry(place, { hello: 'world' });
        await backdoor.deleteEntry(place, b);

        const absent = await mover.absent(ref, from, [
          { id: a, eventId: 'a' },
          { id: b, eventId: 'b' },
          { id: c, eventId: 'x' },
          { id: foreign, eventId: '' },
          { id: '1-1', eventId: '' },
        ]);

        expect(absent).toEqual([b, c, '1-1']);
      },
    );

    it('goes for thousands, and finds all of them absent where nothing is', async () => {
      const { mover, ref } = await setUpLetters(open);
      const entries = Array.from({ length: 1_300 }, (_, index) => ({
        id: `1-${index}`,
        eventId: `e${index}`,
      }));

      expect(await mover.absent(ref, 'dead-letters', entries)).toEqual(ids(entries));
      expect(await mover.deadLetterCount(ref)).toBe(0);
    });

    it('counts dead letters', async () => {
      const { mover, ref } = await setUpLetters(open);
      await mover.restore(ref, [letterOf('a'), letterOf('b')]);

      expect(await mover.deadLetterCount(ref)).toBe(2);
    });
  });

  describe('forgetting dead letters', () => {
    it('deletes those that are of the named events, once', async () => {
      const { mover, backdoor, ref, key, letters } = await setUpLetters(open);
      const [a = '', b = ''] = await mover.restore(ref, [letterOf('a'), letterOf('b')]);
      const foreign = await backdoor.addEntry(key, { hello: 'world' });
      const named = [
        { id: a, eventId: 'a' },
        { id: b, eventId: 'lost' },
        { id: foreign, eventId: '' },
        { id: '1-1', eventId: 'a' },
      ];

      expect(await mover.forget(ref, named)).toBe(2);
      expect(await mover.forget(ref, named)).toBe(0);

      expect(eventIds(await letters())).toEqual(['b']);
    });

    it('goes for thousands', async () => {
      const { mover, ref, letters } = await setUpLetters(open);
      const names = Array.from({ length: 1_100 }, (_, index) => `e${index}`);
      const restored = await mover.restore(
        ref,
        names.map((name) => letterOf(name)),
      );

      const named = restored.map((id, index) => ({ id, eventId: names[index] ?? '' }));

      expect(await mover.forget(ref, named)).toBe(1_100);
      expect(await letters()).toEqual([]);
    });
  });
}
