import { describe, expect, it } from 'vitest';
import { GroupMissingError } from '../errors.ts';
import { claiming, eventIds, fieldsOf, type OpenTransport, setUp } from './setup.ts';

/** How new entries reach the consumers of a group. */
export function testReading(open: OpenTransport): void {
  describe('reading', () => {
    it('delivers entries with all fields, in order, counted once', async () => {
      const { stream, publish, take } = await setUp(open);
      const [a, b] = await publish('a', 'b');

      expect(await take('one')).toEqual([
        { id: a, stream, fields: fieldsOf('a'), deliveries: 1 },
        { id: b, stream, fields: fieldsOf('b'), deliveries: 1 },
      ]);
    });

    it('divides entries among the consumers of a group', async () => {
      const { publish, take } = await setUp(open);
      await publish('a', 'b', 'c');

      expect(eventIds(await take('one', 2))).toEqual(['a', 'b']);
      expect(eventIds(await take('two', 2))).toEqual(['c']);
      expect(await take('one')).toEqual([]);
    });

    it('reads several streams in one call, so many of each', async () => {
      const { reader, backdoor, ref, stream } = await setUp(open);
      const other = `${stream}:other`;
      await reader.ensureGroup({ ...ref, stream: other }, '0');
      for (const name of ['a', 'b', 'c']) {
        await backdoor.addEntry(stream, { event_id: name });
        await backdoor.addEntry(other, { event_id: `other ${name}` });
      }

      const read = await reader.read({
        group: ref.group,
        consumer: 'one',
        from: [{ stream }, { stream: other }],
        count: 2,
        blockMs: 0,
      });

      expect(eventIds(read.filter((delivery) => delivery.stream === stream))).toEqual(['a', 'b']);
      expect(eventIds(read.filter((delivery) => delivery.stream === other))).toEqual(['other a', 'other b']);
    });

    it('is woken by an entry on any of its streams', async () => {
      const { reader, backdoor, ref, stream } = await setUp(open);
      const other = `${stream}:other`;
      await reader.ensureGroup({ ...ref, stream: other }, '0');

      const reading = reader.read({
        group: ref.group,
        consumer: 'one',
        from: [{ stream }, { stream: other }],
        count: 5,
        blockMs: 30_000,
      });
      await reader.ping();
      const id = await backdoor.addEntry(other, { event_id: 'a' });

      expect(await reading).toEqual([{ id, stream: other, fields: { event_id: 'a' }, deliveries: 1 }]);
    });

    it('wakes one of two waiting consumers with one entry', async () => {
      const { reader, transport, ref, stream, publish } = await setUp(open);
      const second = transport.reader();
      const request = { group: ref.group, from: [{ stream }], count: 5, blockMs: 30_000 };

      const waiting = [
        reader.read({ ...request, consumer: 'one' }),
        second.read({ ...request, consumer: 'two' }),
      ];
      await Promise.all([reader.ping(), second.ping()]);
      await publish('a');
      const woken = await Promise.race(waiting);
      await transport.close();
      const ends = await Promise.allSettled(waiting);

      expect(eventIds(woken)).toEqual(['a']);
      expect(ends.map(({ status: end }) => end).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    it('refuses what stands behind an entry that went elsewhere, if it is told where to go on', async () => {
      const { reader, ref, stream, publish, take } = await setUp(open);
      const [a, b] = await publish('a', 'b', 'c', 'd');
      const from = (after: string | undefined) => [{ stream, after }];
      const request = { group: ref.group, consumer: 'one', count: 1, blockMs: 0 };

      const first = await reader.read({ ...request, from: from('0-0') });
      await take('late', 1);
      const refused = reader.read({ ...request, from: from(a) });
      await expect(refused).rejects.toThrow(/handed out elsewhere/);
      const held = await reader.claim(ref, claiming('one'));
      const last = await reader.read({ ...request, from: from(await reader.lastDelivered(ref)) });

      expect(eventIds(first)).toEqual(['a']);
      expect(eventIds(held.deliveries)).toEqual(['a', 'b', 'c']);
      expect(eventIds(last)).toEqual(['d']);
      await expect(refused).rejects.toThrow(`${b} in ${stream}`);
    });

    it('says that a group is missing of which the last entry is asked for, with its stream or without', async () => {
      const { reader, backdoor, ref, stream, publish } = await setUp(open);
      await publish('a');
      const strange = { ...ref, group: 'strangers' };

      await expect(reader.lastDelivered(strange)).rejects.toThrow(GroupMissingError);
      await backdoor.deleteStream(stream);
      await expect(reader.lastDelivered(ref)).rejects.toThrow(GroupMissingError);
    });

    it('goes on behind an entry that stands no longer', async () => {
      const { reader, backdoor, ref, stream, publish } = await setUp(open);
      const [a, b = ''] = await publish('a', 'b', 'c');
      await reader.read({ group: ref.group, consumer: 'one', from: [{ stream }], count: 1, blockMs: 0 });
      await backdoor.deleteEntry(stream, b);

      const from = [{ stream, after: a }];
      const read = await reader.read({ group: ref.group, consumer: 'one', from, count: 1, blockMs: 0 });

      expect(eventIds(read)).toEqual(['c']);
    });

    it('comes back with nothing when nothing comes', async () => {
      const { reader, ref, stream } = await setUp(open);

      expect(
        await reader.read({ group: ref.group, consumer: 'one', from: [{ stream }], count: 5, blockMs: 20 }),
      ).toEqual([]);
    });

    it('delivers foreign entries as they are', async () => {
      const { backdoor, stream, take } = await setUp(open);
      const id = await backdoor.addEntry(stream, { hello: 'world' });

      expect(await take('one')).toEqual([{ id, stream, fields: { hello: 'world' }, deliveries: 1 }]);
    });
  });
}
