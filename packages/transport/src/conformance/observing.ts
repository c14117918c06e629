import { describe, expect, it } from 'vitest';
import {
  batchOf,
  eventIds,
  failure,
  injection,
  type OpenTransport,
  PLACES,
  setUp,
  type TransportFeatures,
} from './setup.ts';

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
      expect(await observer.groupNames(missing)).toEqual([]);
      expect(await observer.progress({ stream: missing, group: 'readers' })).toBeNull();
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
        'one',
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
        oldestPendingId: null,
        oldestPendingIdleMs: null,
        consumers: [],
        failed: 0,
      });
      expect(readers).toMatchObject({
        stream,
        pending: 3,
        lastDeliveredId: c,
        failed: 1,
        oldestPendingId: a,
      });
      expect(readers?.oldestPendingIdleMs).toBeGreaterThanOrEqual(0);
      expect(new Map(readers?.consumers.map(({ name, pending }) => [name, pending]))).toEqual(
        new Map([
          ['one', 1],
          ['two', 2],
        ]),
      );
      for (const { idleMs } of readers?.consumers ?? []) expect(idleMs).toBeGreaterThanOrEqual(0);
    });

    it.each(PLACES)('tells how far a group has come on the %s', async (place) => {
      const { reader, observer, ref, stream, publish, take } = await setUp(open, place);
      const [a = '', b = ''] = await publish('a', 'b', 'c');
      const beforeAny = await observer.progress(ref);
      await take('one', 2);
      const handedOut = await observer.progress(ref);
      await reader.acknowledge(ref, [{ id: a, eventId: 'a' }]);
      const oneDone = await observer.progress(ref);
      await reader.acknowledge(ref, [{ id: b, eventId: 'b' }]);

      expect(beforeAny).toEqual({ lastDeliveredId: '0-0', oldestPendingId: null });
      expect(handedOut).toEqual({ lastDeliveredId: b, oldestPendingId: a });
      expect(oneDone).toEqual({ lastDeliveredId: b, oldestPendingId: b });
      expect(await observer.progress(ref)).toEqual({ lastDeliveredId: b, oldestPendingId: null });
      expect(await observer.progress({ ...ref, group: 'others' })).toBeNull();
      if (place === 'stream') expect(await observer.groupNames(stream)).toEqual([ref.group]);
    });

    it.runIf(features.lag)('counts what a group has not been given yet', async () => {
      const { publish, take, status } = await setUp(open);
      await publish('a', 'b', 'c');

      const before = await status();
      await take('one', 2);

      expect([before.lag, (await status()).lag]).toEqual([3, 1]);
    });

    it('describes what is injected for a group, apart from its stream', async () => {
      const { reader, observer, mover, stream, ref, publish, take } = await setUp(open);
      const injected = { ...ref, injected: true as const };
      await publish('s');
      await take('one');
      expect(await observer.injected(stream, ref.group)).toBeNull();

      await mover.inject(ref, [injection('a'), injection('b'), injection('c')]);
      expect(await observer.injected(stream, ref.group)).toBeNull();
      await reader.ensureGroup(injected, '0');
      const from = [{ stream, injected: true as const }];
      const request = { group: ref.group, consumer: 'two', from, count: 2, blockMs: 0 };
      const [a, b] = await reader.read(request);
      await reader.recordFailures(
        injected,
        'two',
        new Map([
          [a?.id ?? '', failure('a', { final: true })],
          [b?.id ?? '', failure('b')],
        ]),
      );

      expect(await observer.injected(stream, ref.group)).toMatchObject({
        ...injected,
        pending: 2,
        lastDeliveredId: b?.id,
        consumers: [{ name: 'two', pending: 2 }],
        failed: 1,
      });
      expect(await observer.groups(stream)).toMatchObject([{ group: 'readers', pending: 1, failed: 0 }]);
      expect(await observer.injected(stream, 'others')).toBeNull();
    });

    it.each(PLACES)('goes through what is pending on the %s page by page', async (place) => {
      const { reader, backdoor, observer, ref, key, publish, take, delivery } = await setUp(open, place);
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c', 'd');
      await take('one', 2);
      await take('two', 1);
      await reader.recordFailures(ref, 'one', new Map([[b, failure('b', { final: true })]]));
      await backdoor.deleteEntry(key, c);

      const first = await observer.pending(ref, null, 2);
      const second = await observer.pending(ref, b, 2);

      expect(first).toEqual([
        {
          id: a,
          consumer: 'one',
          idleMs: expect.any(Number) as number,
          deliveries: 1,
          failure: null,
          fields: delivery(a, 'a', 1).fields,
        },
        expect.objectContaining({ id: b, failure: failure('b', { final: true }) }),
      ]);
      expect(second).toMatchObject([{ id: c, consumer: 'two', failure: null, fields: null }]);
      expect(await observer.pending(ref, c, 2)).toEqual([]);
    });

    it('shows the newest entries, and a range', async () => {
      const { observer, stream, publish } = await setUp(open);
      const [a = '', b = '', c = ''] = await publish('a', 'b', 'c', 'd');

      expect(eventIds(await observer.newest(stream, 2))).toEqual(['c', 'd']);
      expect(eventIds(await observer.newest(stream, 2, c))).toEqual(['a', 'b']);
      expect(eventIds(await observer.newest(stream, 2, b))).toEqual(['a']);
      expect(await observer.newest(stream, 2, a)).toEqual([]);
      expect(eventIds(await observer.range(stream, b, c, 10))).toEqual(['b', 'c']);
      expect(eventIds(await observer.range(stream, `(${b}`, '+', 10))).toEqual(['c', 'd']);
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

    it('says who answers, and how it is doing', async () => {
      const { observer } = await setUp(open);

      const { usedMemoryBytes, maxMemoryBytes, replicaLagSeconds } = await observer.figures();

      expect(await observer.server()).toMatch(/^\S+( \S+)?$/);
      expect(usedMemoryBytes).toBeGreaterThan(0);
      expect([maxMemoryBytes, replicaLagSeconds]).toEqual([null, new Map()]);
    });
  });
}
