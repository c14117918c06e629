import { describe, expect, it } from 'vitest';
import { compareEntryIds } from '../entry-id.ts';
import type { EntryName } from '../transport.ts';
import { batch, batchOf, eventIds, ids, namesOf, type OpenTransport, setUp, written } from './setup.ts';

/** Taking old entries out of a stream, and what stands against it. */
export function testTrimming(open: OpenTransport): void {
  async function setUpTrim() {
    const bench = await setUp(open);
    const { observer, reader, ref, stream, take, transport } = bench;
    return {
      ...bench,
      trimmer: transport.trimmer(),
      groups: [ref.group],
      /** Has the group settle all there is. */
      settle: async (count = 100) => {
        await reader.acknowledge(ref, namesOf(await take('one', count)));
      },
      standing: async () => eventIds(await observer.range(stream, '-', '+', 100)),
      entryOf: async (id = ''): Promise<EntryName> => {
        const [entry] = await observer.range(stream, id, id, 1);
        return { id, eventId: entry?.fields.event_id ?? '' };
      },
    };
  }

  describe('the bounds of a trim', () => {
    it('are those of a stream that is not there', async () => {
      const { trimmer, stream } = await setUpTrim();

      expect(await trimmer.bounds(`${stream}:missing`, ['a'], { id: '1-1', eventId: 'a' })).toMatchObject({
        length: 0,
        firstId: null,
        lastId: null,
        bytes: 0,
        anchored: false,
        writers: new Map(),
        trimmedTo: null,
        groups: new Map([['a', null]]),
      });
    });

    it('are its ends, its writers, and how far each group has come', async () => {
      const { trimmer, stream, ref, publish, take, reader, entryOf } = await setUpTrim();
      const [a = '', b = '', c = '', d = ''] = await publish('a', 'b', 'c', 'd');
      const [first] = await take('one', 3);
      await reader.acknowledge(ref, [{ id: first?.id ?? '', eventId: 'a' }]);

      const found = await trimmer.bounds(stream, [ref.group, 'absent'], await entryOf(b));

      expect(found).toMatchObject({ length: 4, firstId: a, lastId: d, anchored: true, trimmedTo: null });
      expect(found.writers).toEqual(new Map([['orders', { entryId: d, eventId: 'd' }]]));
      expect(found.groups).toEqual(
        new Map([
          [ref.group, { lastDeliveredId: c, oldestPendingId: b }],
          ['absent', null],
        ]),
      );
      expect(found.bytes).toBeGreaterThan(0);
      expect(found.nowMs).toBeGreaterThanOrEqual(Number(d.split('-')[0]));
      expect((await trimmer.bounds(stream, [], { id: b, eventId: 'x' })).anchored).toBe(false);
      expect((await trimmer.bounds(stream, [])).anchored).toBe(false);
    });
  });

  describe('the last events of sources', () => {
    it('are looked for in a part of the stream, however many entries one of them has', async () => {
      const { trimmer, writer, stream, publish, entryOf, backdoor } = await setUpTrim();
      const bought = written(await writer.append(stream, batchOf('shop', ['s1', 's2'], null)));
      const published = await publish(...Array.from({ length: 250 }, (_, n) => `o${n}`));
      await backdoor.addEntry(stream, { odd: 'entry' });
      const anchor = await entryOf(published.at(-1));
      const part = { anchor, behind: null, below: published[240] ?? '' };

      const found = await trimmer.lastOfSources(stream, { ...part, sources: new Set(['orders', 'shop']) });

      expect(found?.upTo).toBe(published[239]);
      expect(found?.lastOf).toEqual(
        new Map([
          ['orders', { position: 'position of o239', eventId: 'o239' }],
          ['shop', { position: 'position of s2', eventId: 's2' }],
        ]),
      );
      const behind = { ...part, behind: bought.lastId, sources: new Set<string>() };
      expect((await trimmer.lastOfSources(stream, behind))?.lastOf.has('shop')).toBe(false);
      const nothing = { ...part, behind: published[239] ?? '', sources: new Set<string>() };
      expect(await trimmer.lastOfSources(stream, nothing)).toEqual({ upTo: null, lastOf: new Map() });
    });

    it('are not told if the archived entry is gone, or its ID is of another event', async () => {
      const { trimmer, stream, publish, entryOf, backdoor } = await setUpTrim();
      const [, b = '', c = ''] = await publish('a', 'b', 'c');
      const anchor = await entryOf(b);
      const part = { behind: null, below: c, sources: new Set<string>() };

      expect(
        await trimmer.lastOfSources(stream, { ...part, anchor: { ...anchor, eventId: 'x' } }),
      ).toBeNull();
      await backdoor.deleteEntry(stream, b);
      expect(await trimmer.lastOfSources(stream, { ...part, anchor })).toBeNull();
    });
  });

  describe('a trim', () => {
    it('takes out everything up to an entry, marks it as gone on purpose, and may be repeated', async () => {
      const { trimmer, writer, stream, groups, publish, settle, standing, entryOf } = await setUpTrim();
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c', 'd');
      await settle();
      const request = { upTo: b, anchor: await entryOf(c), groups, bystanders: [] };

      expect(await trimmer.trim(stream, request)).toEqual({ outcome: 'trimmed', removed: 2 });

      expect(await standing()).toEqual(['c', 'd']);
      expect(await writer.inspect(stream, 'orders', { entryId: a, eventId: 'a' })).toMatchObject({
        askedPresent: false,
        trimmedTo: b,
      });
      expect(await trimmer.trim(stream, request)).toEqual({ outcome: 'trimmed', removed: 0 });
      expect(await trimmer.trim(stream, { ...request, upTo: a })).toEqual({ outcome: 'trimmed', removed: 0 });
      expect((await trimmer.bounds(stream, [])).trimmedTo).toBe(b);
    });

    it('may go as far as the archive does', async () => {
      const { trimmer, stream, groups, publish, settle, standing, entryOf } = await setUpTrim();
      const published = await publish(...Array.from({ length: 350 }, (_, n) => `e${n}`));
      await settle(400);
      const anchor = await entryOf(published[348]);

      expect(await trimmer.trim(stream, { upTo: anchor.id, anchor, groups, bystanders: [] })).toEqual({
        outcome: 'trimmed',
        removed: 349,
      });
      expect(await standing()).toEqual(['e349']);
    });

    it.each(['is not there', 'was not given all of it', 'has some of it pending'])(
      'takes out nothing while a group %s',
      async (state) => {
        const { trimmer, stream, ref, groups, reader, take, publish, standing, entryOf } = await setUpTrim();
        const [, b = '', c = ''] = await publish('a', 'b', 'c', 'd');
        const taken = await take('one', state === 'was not given all of it' ? 1 : 4);
        const settled = state === 'has some of it pending' ? [0, 2, 3] : [0, 1, 2, 3];
        await reader.acknowledge(ref, namesOf(settled.flatMap((index) => taken[index] ?? [])));
        const name = state === 'is not there' ? 'absent' : ref.group;
        const anchor = await entryOf(c);

        const result = await trimmer.trim(stream, {
          upTo: b,
          anchor,
          groups: [...groups, name],
          bystanders: [],
        });

        expect(result).toEqual({ outcome: 'refused', reason: 'group', name });
        expect(await standing()).toEqual(['a', 'b', 'c', 'd']);
        expect((await trimmer.bounds(stream, [])).trimmedTo).toBeNull();
      },
    );

    it('takes out nothing that a group needs of which the caller did not know', async () => {
      const { trimmer, stream, groups, publish, take, standing, entryOf } = await setUpTrim();
      const [a = '', b = ''] = await publish('a', 'b', 'c');
      await take('one', 1);
      const request = { upTo: a, anchor: await entryOf(b), groups: [] };
      const [name = ''] = groups;

      expect(await trimmer.trim(stream, { ...request, bystanders: [] })).toEqual({
        outcome: 'refused',
        reason: 'group',
        name,
      });
      expect(await standing()).toEqual(['a', 'b', 'c']);
      expect(await trimmer.trim(stream, { ...request, bystanders: [name] })).toMatchObject({ removed: 1 });
    });

    it('leaves what each source wrote last', async () => {
      const { trimmer, writer, stream, groups, publish, standing, entryOf } = await setUpTrim();
      const bought = written(await writer.append(stream, batchOf('shop', ['s1'], null)));
      const [, b = ''] = await publish('a', 'b', 'c');
      const request = { upTo: bought.lastId, anchor: await entryOf(b), groups: [], bystanders: groups };

      expect(await trimmer.trim(stream, request)).toEqual({
        outcome: 'refused',
        reason: 'writer',
        name: 'shop',
      });
      expect(await standing()).toEqual(['s1', 'a', 'b', 'c']);
    });

    it('takes out nothing that is not archived: the entry is gone, of another event, or before what would go', async () => {
      const { trimmer, stream, publish, settle, standing, entryOf, groups, backdoor } = await setUpTrim();
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c', 'd');
      await settle();
      const anchor = await entryOf(b);
      const changed = { outcome: 'refused', reason: 'changed' };

      expect(await trimmer.trim(stream, { upTo: c, anchor, groups, bystanders: [] })).toEqual(changed);
      const other = { ...anchor, eventId: 'x' };
      expect(await trimmer.trim(stream, { upTo: a, anchor: other, groups, bystanders: [] })).toEqual(changed);
      await backdoor.deleteEntry(stream, b);
      expect(await trimmer.trim(stream, { upTo: a, anchor, groups, bystanders: [] })).toEqual(changed);
      expect(await standing()).toEqual(['a', 'c', 'd']);
    });

    it('is not mistaken for loss by the publisher, and keeps the next entries in their order', async () => {
      const { trimmer, writer, stream, groups, publish, settle, entryOf } = await setUpTrim();
      const published = await publish('a', 'b', 'c');
      await settle();
      await trimmer.trim(stream, {
        upTo: published[1] ?? '',
        anchor: await entryOf(published[1]),
        groups,
        bystanders: [],
      });

      const { firstId } = written(await writer.append(stream, batch(['d'], 'c')));

      expect(compareEntryIds(firstId, published[2] ?? '')).toBeGreaterThan(0);
    });
  });

  describe('a stream that went back in time', () => {
    const future = `${Date.now() + 3_600_000}-5`;

    it('is told up to where it was trimmed, and hands out no entry ID twice, whatever its clock says', async () => {
      const { writer, observer, stream, publish, backdoor } = await setUpTrim();
      await backdoor.deleteStream(stream);

      expect(await writer.restoreTrim(stream, { trimmedTo: '5-0', highestId: future })).toBe(true);
      expect(await writer.restoreTrim(stream, { trimmedTo: '4-0', highestId: '6-0' })).toBe(false);
      expect(await observer.range(stream, '-', '+', 10)).toEqual([]);
      const [id = ''] = await publish('a');

      expect(compareEntryIds(id, future)).toBeGreaterThan(0);
      expect((await writer.inspect(stream, 'orders')).trimmedTo).toBe('5-0');
      expect(ids(await observer.range(stream, '-', '+', 10))).toEqual([id]);
    });

    it('that stands higher keeps what it knows', async () => {
      const { writer, stream, publish, standing } = await setUpTrim();
      await publish('a', 'b');

      expect(await writer.restoreTrim(stream, { trimmedTo: null, highestId: '0-0' })).toBe(false);
      expect(await writer.restoreTrim(stream, { trimmedTo: null, highestId: '7-7' })).toBe(false);

      expect(await standing()).toEqual(['a', 'b']);
      expect((await writer.inspect(stream, 'orders')).trimmedTo).toBeNull();
    });

    it('goes on being read by its groups', async () => {
      const { writer, stream, publish, take } = await setUpTrim();
      await publish('a');
      await take('one');

      await writer.restoreTrim(stream, { trimmedTo: null, highestId: future });
      await publish('b');

      expect(eventIds(await take('one'))).toEqual(['b']);
    });
  });
}
