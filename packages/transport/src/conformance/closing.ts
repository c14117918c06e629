import { describe, expect, it } from 'vitest';
import { TransportClosedError } from '../errors.ts';
import { batch, claiming, details, eventIds, injection, type OpenTransport, setUp } from './setup.ts';

/** How everything ends, at any moment and more than once. */
export function testClosing(open: OpenTransport): void {
  describe('closing', () => {
    it('can be done twice, part by part and as a whole', async () => {
      const { transport, writer, reader, mover, observer } = await setUp(open);
      const parts = [writer, reader, mover, observer, transport.trimmer()];

      await Promise.all(parts.map((part) => part.close()));
      await Promise.all(parts.map((part) => part.close()));
      await transport.close();
      await transport.close();
    });

    it('can be done before anything was used', async () => {
      const { transport } = await setUp(open);
      transport.writer();
      transport.reader();
      transport.mover();
      transport.observer();
      transport.trimmer();

      await transport.close();
    });

    it('refuses every call afterwards', async () => {
      const { transport, writer, reader, mover, observer, ref, stream, take } = await setUp(open);
      const trimmer = transport.trimmer();
      await transport.close();

      const anchor = { id: '1-1', eventId: 'a' };
      const calls = [
        writer.append(stream, batch(['a'], null)),
        writer.inspect(stream, 'orders'),
        writer.range(stream, '-', '+', 1),
        writer.ping(),
        take('one'),
        reader.ensureGroup(ref, '0'),
        reader.claim(ref, claiming('one')),
        reader.acknowledge(ref, [{ id: '1-1', eventId: 'a' }]),
        reader.removeConsumer(ref, 'one'),
        reader.ping(),
        mover.givenUp(ref, { minIdleMs: 0, maxDeliveries: 1, count: 1 }),
        mover.deadLetter(ref, { id: '1-1', eventId: 'a' }, details('1-1')),
        mover.inject(ref, [injection('a')]),
        mover.injectedCount(ref),
        mover.ping(),
        observer.stream(stream),
        observer.groups(stream),
        observer.follow(stream, '0', 10),
        observer.ping(),
        writer.restoreTrim(stream, { trimmedTo: null, highestId: '1-1' }),
        trimmer.bounds(stream, []),
        trimmer.lastOfSources(stream, { anchor, behind: null, below: '2-0', sources: new Set() }),
        trimmer.trim(stream, { upTo: '1-1', anchor, groups: [], bystanders: [] }),
        trimmer.ping(),
      ];

      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ status: 'rejected', reason: { code: 'transport_closed' } });
      }
      expect(() => transport.writer()).toThrow(TransportClosedError);
      expect(() => transport.reader()).toThrow(TransportClosedError);
      expect(() => transport.mover()).toThrow(TransportClosedError);
      expect(() => transport.observer()).toThrow(TransportClosedError);
      expect(() => transport.trimmer()).toThrow(TransportClosedError);
    });

    it('ends a read that waits', async () => {
      const { reader, ref, stream, take } = await setUp(open);
      await take('one');
      const startedAt = performance.now();
      const reading = reader.read({
        group: ref.group,
        consumer: 'one',
        from: [{ stream }],
        count: 1,
        blockMs: 600_000,
      });
      const ended = expect(reading).rejects.toThrow(TransportClosedError);
      await reader.ping();

      await reader.close();
      await ended;

      expect(performance.now() - startedAt).toBeLessThan(30_000);
    });

    it('ends an observer that follows', async () => {
      const { transport, observer, stream } = await setUp(open);
      const following = expect(observer.follow(stream, '0', 600_000)).rejects.toThrow(TransportClosedError);
      await observer.ping();

      await transport.close();

      await following;
    });

    it('of one part leaves the others open', async () => {
      const { writer, transport, stream, publish, take } = await setUp(open);
      const other = transport.writer();
      await other.close();

      await publish('a');

      expect(eventIds(await take('one'))).toEqual(['a']);
      expect((await writer.inspect(stream, 'orders')).mark?.eventId).toBe('a');
    });
  });
}
