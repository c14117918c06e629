import { describe, expect, it } from 'vitest';
import { batchOf, eventIds, failure, type OpenTransport, setUp, type TransportFeatures } from './setup.ts';

/** What operators and monitors see. */
export function testObserving(open: OpenTransport, features: TransportFeatures): void {
  describe('observing', () => {
    it('describes a stream and what its writers left in it', async () => {
      const { observer, writer, backdoor, stream, publish } = await setUp(open);
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c');
      await writer.append(stream, batchOf('payments', ['x'], null));
      await backdoor.trim(stream, a);

      const [last] = await observer.newest(stream, 1);
      expect(await observer.stream(stream)).toEqual({
        stream,
        exists: true,
        length: 3,
        firstId: b,
        lastId: last?.id,
        writers: new Map([
          ['orders', { entryId: c, eventId: 'c' }],
          ['payments', { entryId: last?.id, eventId: 'x' }],
        ]),
        trimmedTo: a,
      });
    });

    it('describes a stream that is not there', async () => {
      const { observer, stream } = await setUp(open);
      const missing = `${stream}:missing`;

      expect(await observer.stream(missing)).toEqual({
        stream: missing,
        exists: false,
        length: 0,
        firstId: null,
        lastId: null,
        writers: new Map(),
        trimmedTo: null,
      });
      expect(await observer.groups(missing)).toEqual([]);
      expect(await observer.newest(missing, 3)).toEqual([]);
    });

    it('describes groups: what is pending, with whom, and what failed for good', async () => {
      const { reader, observer, backdoor, ref, stream, publish, take } = await setUp(open);
      await reader.ensureGroup({ stream, group: 'others' }, '0');
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c', 'd');
      await take('one', 1);
      await take('two', 2);
      await backdoor.age(ref, 'one', [a], 1_000);
      await reader.recordFailures(
        ref,
        new Map([
          [a, failure('a')],
          [b, failure('b', { final: true })],
        ]),
      );

      const groups = await observer.groups(stream);

      const others = groups.find(({ group }) => group === 'others');
      const readers = groups.find(({ group }) => group === 'readers');
      expect(others).toMatchObject({
        pending: 0,
        lastDeliveredId: '0-0',
        oldestPendingIdleMs: null,
        consumers: [],
        failed: 0,
      });
      expect(readers).toMatchObject({ stream, pending: 3, lastDeliveredId: c, failed: 1 });
      expect(readers?.oldestPendingIdleMs).toBeGreaterThanOrEqual(0);
      expect(new Map(readers?.consumers.map(({ name, pending }) => [name, pending]))).toEqual(
        new Map([
          ['one', 1],
          ['two', 2],
        ]),
      );
      for (const { idleMs } of readers?.consumers ?? []) expect(idleMs).toBeGreaterThanOrEqual(0);
    });

    it.runIf(features.lag)('counts what a group has not been given yet', async () => {
      const { publish, take, status } = await setUp(open);
      await publish('a', 'b', 'c');

      const before = await status();
      await take('one', 2);

      expect([before.lag, (await status()).lag]).toEqual([3, 1]);
    });

    it('shows the newest entries, and a range', async () => {
      const { observer, stream, publish } = await setUp(open);
      const [, b = '', c = ''] = await publish('a', 'b', 'c', 'd');

      expect(eventIds(await observer.newest(stream, 2))).toEqual(['c', 'd']);
      expect(eventIds(await observer.range(stream, b, c, 10))).toEqual(['b', 'c']);
    });

    it('follows a stream', async () => {
      const { observer, stream, publish } = await setUp(open);
      const [a = '', b = ''] = await publish('a', 'b');

      expect(eventIds(await observer.follow(stream, a, 10_000))).toEqual(['b']);
      expect(await observer.follow(stream, b, 20)).toEqual([]);
      const following = observer.follow(stream, b, 30_000);
      await observer.ping();
      await publish('c');

      expect(eventIds(await following)).toEqual(['c']);
    });

    it('says who answers', async () => {
      const { observer } = await setUp(open);

      expect(await observer.server()).toMatch(/^\S+( \S+)?$/);
    });
  });
}
