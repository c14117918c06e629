import { describe, expect, it } from 'vitest';
import { batch, type OpenTransport, setUp, written } from './setup.ts';

/** What a writer sees of a stream without writing to it. */
export function testInspecting(open: OpenTransport): void {
  describe('inspecting', () => {
    it('finds nothing of a source that never wrote', async () => {
      const { writer, stream } = await setUp(open);

      expect(await writer.inspect(stream, 'orders')).toEqual({
        mark: null,
        markPresent: false,
        askedPresent: null,
        trimmedTo: null,
      });
    });

    it('finds the mark, and an earlier entry by its ID and event', async () => {
      const { writer, stream } = await setUp(open);
      const { firstId, lastId } = written(await writer.append(stream, batch(['a', 'b'], null)));

      const known = await writer.inspect(stream, 'orders', { entryId: firstId, eventId: 'a' });
      const mistaken = await writer.inspect(stream, 'orders', { entryId: firstId, eventId: 'b' });

      expect(known).toEqual({
        mark: { entryId: lastId, eventId: 'b' },
        markPresent: true,
        askedPresent: true,
        trimmedTo: null,
      });
      expect(mistaken.askedPresent).toBe(false);
    });

    it('says of the mark whether it was trimmed on purpose, and of another entry whether it stands', async () => {
      const { writer, backdoor, stream, publish } = await setUp(open);
      const [trimmed = '', lost = '', last = ''] = await publish('a', 'b', 'c');
      await backdoor.trim(stream, trimmed);
      await backdoor.deleteEntry(stream, lost);
      await backdoor.deleteEntry(stream, last);

      const ofTrimmed = await writer.inspect(stream, 'orders', { entryId: trimmed, eventId: 'a' });
      const ofLost = await writer.inspect(stream, 'orders', { entryId: lost, eventId: 'b' });

      expect(ofTrimmed).toEqual({
        mark: { entryId: last, eventId: 'c' },
        markPresent: false,
        askedPresent: false,
        trimmedTo: trimmed,
      });
      expect(ofLost.askedPresent).toBe(false);
      await backdoor.trim(stream, last);
      expect(await writer.inspect(stream, 'orders')).toMatchObject({ markPresent: true });
    });

    it('reads a range with both ends and a limit', async () => {
      const { writer, stream, publish } = await setUp(open);
      const [a = '', b = '', c = '', d = ''] = await publish('a', 'b', 'c', 'd');

      expect((await writer.range(stream, b, d, 10)).map(({ id }) => id)).toEqual([b, c, d]);
      expect((await writer.range(stream, '-', '+', 2)).map(({ id }) => id)).toEqual([a, b]);
      expect(await writer.range(`${stream}:missing`, '-', '+', 2)).toEqual([]);
    });
  });
}
