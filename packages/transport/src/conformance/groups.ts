import { describe, expect, it } from 'vitest';
import { CommandRejectedError, GroupMissingError } from '../errors.ts';
import { claiming, details, eventIds, failure, namesOf, type OpenTransport, setUp } from './setup.ts';

/** How groups come into being and how their absence shows. */
export function testGroups(open: OpenTransport): void {
  describe('groups', () => {
    it('creates a group with its stream, once', async () => {
      const { reader, observer, stream } = await setUp(open);
      const ref = { stream: `${stream}:new`, group: 'g' };

      expect(await reader.ensureGroup(ref, '0')).toBe('created');
      expect(await reader.ensureGroup(ref, '0')).toBe('exists');
      expect(await observer.stream(ref.stream)).toMatchObject({ exists: true, length: 0 });
    });

    it('leaves an existing group where it is', async () => {
      const { reader, ref, publish, take } = await setUp(open);
      await publish('a', 'b');
      await take('one', 1);

      await reader.ensureGroup(ref, '0');

      expect(eventIds(await take('one'))).toEqual(['b']);
    });

    it('starts a group behind an entry', async () => {
      const { reader, stream, publish } = await setUp(open);
      const [, b = ''] = await publish('a', 'b', 'c');
      await reader.ensureGroup({ stream, group: 'late' }, b);

      const read = await reader.read({
        group: 'late',
        consumer: 'one',
        from: [{ stream }],
        count: 10,
        blockMs: 0,
      });

      expect(eventIds(read)).toEqual(['c']);
    });

    it.each(['$', '-', '', 'now'])('does not start a group at %j', async (startId) => {
      const { reader, observer, stream } = await setUp(open);

      await expect(reader.ensureGroup({ stream, group: 'x' }, startId)).rejects.toThrow(CommandRejectedError);

      expect((await observer.groups(stream)).map(({ group }) => group)).toEqual(['readers']);
    });

    it('gives every entry to each group', async () => {
      const { reader, stream, publish, take } = await setUp(open);
      await reader.ensureGroup({ stream, group: 'others' }, '0');
      await publish('a', 'b');

      const others = await reader.read({
        group: 'others',
        consumer: 'x',
        from: [{ stream }],
        count: 9,
        blockMs: 0,
      });

      expect(eventIds(others)).toEqual(['a', 'b']);
      expect(eventIds(await take('x'))).toEqual(['a', 'b']);
    });

    it('says which group is missing, and on which streams', async () => {
      const { reader, backdoor, ref, stream, publish, take } = await setUp(open);
      await publish('a');
      await backdoor.deleteGroup(ref);

      const missing = { code: 'group_missing', group: 'readers', streams: [stream] };
      await expect(take('one')).rejects.toMatchObject(missing);
      await expect(reader.claim(ref, claiming('one'))).rejects.toMatchObject(missing);
    });

    it('finds nothing to acknowledge in a group that is missing', async () => {
      const { reader, mover, backdoor, ref, publish, take } = await setUp(open);
      const [a = ''] = await publish('a');
      const taken = await take('one');
      await backdoor.deleteGroup(ref);

      expect(await reader.acknowledge(ref, namesOf(taken))).toBe(0);
      expect(await mover.dropVanished(ref, ['1-1'])).toBe(0);
      const calls = [
        reader.keep(ref, 'one', [a]),
        reader.release(ref, 'one', taken),
        reader.countDelivery(ref, 'one', a),
        reader.recordFailures(ref, 'one', new Map([[a, failure('a')]])),
        mover.givenUp(ref, { minIdleMs: 0, maxDeliveries: 1, count: 9 }),
        mover.deadLetter(ref, { id: a, eventId: 'a' }, details(a)),
        mover.removeIdleConsumer(ref, 'one', 0),
      ];
      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ status: 'rejected', reason: { code: 'group_missing' } });
      }
    });

    it('finds the group missing when one of several streams is gone', async () => {
      const { reader, backdoor, ref, stream } = await setUp(open);
      const other = { ...ref, stream: `${stream}:other` };
      await reader.ensureGroup(other, '0');
      await backdoor.deleteStream(other.stream);

      const reading = reader.read({
        group: ref.group,
        consumer: 'one',
        from: [{ stream }, { stream: other.stream }],
        count: 9,
        blockMs: 10_000,
      });

      await expect(reading).rejects.toThrow(GroupMissingError);
    });

    it('can be made again after everything was flushed', async () => {
      const { reader, backdoor, ref, publish, take } = await setUp(open);
      await backdoor.flushAll();
      await expect(take('one')).rejects.toThrow(GroupMissingError);

      await reader.ensureGroup(ref, '0');
      await publish('a');

      expect(eventIds(await take('one'))).toEqual(['a']);
    });
  });
}
