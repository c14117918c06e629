import { describe, expect, it } from 'vitest';
import { placeKey } from '../keys.ts';
import type { ReplayPart } from '../transport.ts';
import { eventIds, fieldsOf, ids, namesOf, type OpenTransport, setUp } from './setup.ts';

const replay = 'r-1';

function part(eventIdsOfPart: readonly string[], change: Partial<ReplayPart> = {}): ReplayPart {
  return {
    replay,
    token: '1',
    at: '0-0',
    to: '5-0',
    replayId: replay,
    entries: eventIdsOfPart.map((eventId) => ({ fields: fieldsOf(eventId) })),
    limit: 1_000,
    ...change,
  };
}

async function setUpReplay(open: OpenTransport) {
  const bench = await setUp(open);
  const { mover, reader, observer, ref } = bench;
  const injected = { ...ref, injected: true as const };
  await reader.ensureGroup(injected, '0');
  const key = placeKey(injected);
  return {
    ...bench,
    injected,
    injectKey: key,
    standing: async () => observer.range(key, '-', '+', 1_000),
    take: (token: string, handledTo = '0-0') => mover.takeReplay(ref, { replay, token, handledTo }),
    read: (count: number) =>
      reader.read({ group: ref.group, consumer: 'one', from: [injected], count, blockMs: 0 }),
  };
}

/** How a replay is injected part by part, by whoever has the right to, and never twice. */
export function testReplaying(open: OpenTransport): void {
  describe('replaying', () => {
    it('injects a replay part by part, in order, with its ID, and knows where it is', async () => {
      const { mover, ref, standing, take } = await setUpReplay(open);

      expect(await take('1', '2-0')).toEqual({ at: '2-0', lastId: '0-0' });
      const first = await mover.injectReplay(ref, part(['a', 'b'], { at: '2-0', to: '5-0' }));
      const second = await mover.injectReplay(ref, part(['c'], { at: '5-0', to: '7-0', replayId: '' }));

      const entries = await standing();
      const [a, b, c] = ids(entries);
      expect([first, second]).toEqual([
        { outcome: 'injected', lastId: b, firstId: a },
        { outcome: 'injected', lastId: c, firstId: a },
      ]);
      expect(entries.map(({ fields }) => Object.entries(fields))).toEqual([
        Object.entries({ ...fieldsOf('a'), replay_id: replay }),
        Object.entries({ ...fieldsOf('b'), replay_id: replay }),
        Object.entries({ ...fieldsOf('c'), replay_id: '' }),
      ]);
      expect(await take('2', '2-0')).toEqual({ at: '7-0', lastId: c });
    });

    it('adds nothing when a part is sent again', async () => {
      const { mover, ref, standing, take } = await setUpReplay(open);
      await take('1');
      await mover.injectReplay(ref, part(['a']));

      expect(await mover.injectReplay(ref, part(['a']))).toEqual({ outcome: 'lost' });

      expect(eventIds(await standing())).toEqual(['a']);
    });

    it('adds nothing for whoever was superseded, or never took the replay', async () => {
      const { mover, ref, standing, take } = await setUpReplay(open);
      expect(await mover.injectReplay(ref, part(['a']))).toEqual({ outcome: 'lost' });
      await take('2');

      expect(await take('1')).toBeNull();
      expect(await mover.injectReplay(ref, part(['a']))).toEqual({ outcome: 'superseded' });
      expect(await mover.injectReplay(ref, part(['a'], { token: '3' }))).toEqual({ outcome: 'lost' });

      expect(await standing()).toEqual([]);
    });

    it('adds nothing while too much is injected, and says what is settled', async () => {
      const { mover, reader, ref, injected, take, read } = await setUpReplay(open);
      await take('1');
      await mover.injectReplay(ref, part(['a', 'b'], { limit: 2 }));
      const [a, b] = await read(10);

      const next = part(['c'], { at: '5-0', to: '6-0', limit: 2 });
      expect(await mover.injectReplay(ref, next)).toEqual({ outcome: 'full', lastId: b?.id, firstId: a?.id });
      await reader.acknowledge(injected, namesOf(a === undefined ? [] : [a]));
      expect(await mover.injectReplay(ref, next)).toMatchObject({ outcome: 'injected', firstId: b?.id });
    });

    it('moves on without entries, also while too much is injected', async () => {
      const { mover, ref, take } = await setUpReplay(open);
      await take('1');
      await mover.injectReplay(ref, part(['a'], { limit: 1 }));

      const moved = await mover.injectReplay(ref, part([], { at: '5-0', to: '9-0', limit: 1 }));

      expect(moved).toMatchObject({ outcome: 'injected' });
      expect(await take('1')).toMatchObject({ at: '9-0' });
    });

    it.each(['server', 'inject stream'] as const)(
      'goes on from what is handled if the %s was lost, and not before it is taken again',
      async (lost) => {
        const { mover, backdoor, ref, injectKey, standing, take } = await setUpReplay(open);
        await take('1');
        await mover.injectReplay(ref, part(['a', 'b']));
        await (lost === 'server' ? backdoor.flushAll() : backdoor.deleteStream(injectKey));

        expect(await mover.injectReplay(ref, part(['c'], { at: '5-0', to: '6-0' }))).toEqual({
          outcome: 'lost',
        });
        expect(await take('1', '3-0')).toEqual({ at: '3-0', lastId: '0-0' });
        await mover.injectReplay(ref, part(['b'], { at: '3-0', to: '5-0' }));

        expect(eventIds(await standing())).toEqual(['b']);
      },
    );

    it('takes back what nobody has read of a replay, and leaves all else alone', async () => {
      const { mover, ref, standing, take, read } = await setUpReplay(open);
      await take('1');
      await mover.injectReplay(ref, part(['a', 'b', 'c']));
      await mover.inject(ref, [{ fields: fieldsOf('redriven'), replayId: '' }]);
      await read(1);

      expect(await mover.endReplay(ref, replay, { withdrawn: replay })).toBe(2);
      expect(await mover.endReplay(ref, replay, { withdrawn: replay })).toBe(0);

      expect(eventIds(await standing())).toEqual(['a', 'redriven']);
      expect(await mover.injectReplay(ref, part(['d'], { at: '5-0', to: '6-0' }))).toEqual({
        outcome: 'lost',
      });
    });

    it('forgets a replay that has ended and leaves what it injected', async () => {
      const { mover, ref, standing, take } = await setUpReplay(open);
      await take('1');
      await mover.injectReplay(ref, part(['a']));

      expect(await mover.endReplay(ref, replay)).toBe(0);

      expect(eventIds(await standing())).toEqual(['a']);
      expect(await take('1')).toEqual({ at: '0-0', lastId: '0-0' });
    });

    it('refuses an entry of more fields than a script can add, and adds none of the others', async () => {
      const { mover, ref, standing, take } = await setUpReplay(open);
      await take('1');
      const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`f${n}`, '']));

      await expect(
        mover.injectReplay(ref, part([], { entries: [{ fields: fieldsOf('a') }, { fields: many }] })),
      ).rejects.toMatchObject({ code: 'command_rejected' });

      expect(await standing()).toEqual([]);
    });
  });
}
