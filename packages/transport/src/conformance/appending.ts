import { describe, expect, it } from 'vitest';
import { CommandRejectedError } from '../errors.ts';
import { batch, batchOf, entry, eventIds, fieldsOf, type OpenTransport, setUp, written } from './setup.ts';

/** What compare-and-append does, case by case, for everything it can find. */
export function testAppending(open: OpenTransport): void {
  describe('appending', () => {
    it('writes all fields of a batch in order and marks the last event', async () => {
      const { writer, observer, stream } = await setUp(open);

      const { firstId, lastId } = written(await writer.append(stream, batch(['a', 'b', 'c'], null)));

      const entries = await observer.range(stream, '-', '+', 10);
      expect(entries.map(({ fields }) => fields)).toEqual(['a', 'b', 'c'].map((id) => fieldsOf(id)));
      expect(Object.keys(entries[0]?.fields ?? {})).toEqual(Object.keys(fieldsOf('a')));
      expect([entries[0]?.id, entries[2]?.id]).toEqual([firstId, lastId]);
      const { mark } = await writer.inspect(stream, 'orders');
      expect(mark).toEqual({ entryId: lastId, eventId: 'c' });
    });

    it('passes payloads through as they are', async () => {
      const { writer, observer, stream } = await setUp(open);
      const values = entry('a').with(10, '{"text":"\u00e9\u{1f600}\\u0000 \\n","n":1.0}').with(11, '');

      await writer.append(stream, {
        source: 'orders',
        expect: { eventId: null, present: false },
        entries: [values],
      });

      const [read] = await observer.range(stream, '-', '+', 1);
      expect(read?.fields.payload).toBe('{"text":"\u00e9\u{1f600}\\u0000 \\n","n":1.0}');
      expect(read?.fields.traceparent).toBe('');
    });

    it('goes on behind the expected mark', async () => {
      const { writer, observer, stream } = await setUp(open);
      await writer.append(stream, batch(['a'], null));

      expect(await writer.append(stream, batch(['b'], 'a'))).toMatchObject({ outcome: 'appended' });

      expect(eventIds(await observer.range(stream, '-', '+', 10))).toEqual(['a', 'b']);
    });

    it('refuses when a mark is expected and there is none', async () => {
      const { writer, observer, stream } = await setUp(open);

      const result = await writer.append(stream, batch(['b'], 'a'));

      expect(result).toEqual({ outcome: 'refused', mark: null, present: false });
      expect((await observer.stream(stream)).length).toBe(0);
    });

    it('refuses when no mark is expected and there is one', async () => {
      const { writer, observer, stream } = await setUp(open);
      const { lastId } = written(await writer.append(stream, batch(['a'], null)));

      const result = await writer.append(stream, batch(['b'], null));

      expect(result).toEqual({ outcome: 'refused', mark: { entryId: lastId, eventId: 'a' }, present: true });
      expect((await observer.stream(stream)).length).toBe(1);
    });

    it('refuses the late batch of a predecessor, and the same batch a second time', async () => {
      const { writer, observer, stream } = await setUp(open);
      await writer.append(stream, batch(['a'], null));
      const { lastId } = written(await writer.append(stream, batch(['b', 'c'], 'a')));

      const again = await writer.append(stream, batch(['b', 'c'], 'a'));

      expect(again).toEqual({ outcome: 'refused', mark: { entryId: lastId, eventId: 'c' }, present: true });
      expect(eventIds(await observer.range(stream, '-', '+', 10))).toEqual(['a', 'b', 'c']);
    });

    it('refuses when the marked entry is gone', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      const { lastId } = written(await writer.append(stream, batch(['a'], null)));
      await backdoor.deleteEntry(stream, lastId);

      const result = await writer.append(stream, batch(['b'], 'a'));

      expect(result).toEqual({ outcome: 'refused', mark: { entryId: lastId, eventId: 'a' }, present: false });
    });

    it('refuses when the entry ID of the mark was handed to another event', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      const { lastId } = written(await writer.append(stream, batch(['a'], null)));
      await backdoor.deleteStream(stream);
      await backdoor.addEntry(stream, { event_id: 'foreign' }, lastId);

      const result = await writer.append(stream, batch(['b'], 'a'));

      expect(result).toEqual({ outcome: 'refused', mark: { entryId: lastId, eventId: 'a' }, present: false });
    });

    it('refuses after everything was flushed', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      await writer.append(stream, batch(['a'], null));
      await backdoor.flushAll();

      expect(await writer.append(stream, batch(['b'], 'a'))).toEqual({
        outcome: 'refused',
        mark: null,
        present: false,
      });
    });

    it('goes on without the marked entry when it need not be present', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      const { lastId } = written(await writer.append(stream, batch(['a'], null)));
      await backdoor.deleteEntry(stream, lastId);

      expect(await writer.append(stream, batch(['b'], 'a', false))).toMatchObject({ outcome: 'appended' });
    });

    it('goes on when the marked entry was trimmed on purpose', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      const { lastId } = written(await writer.append(stream, batch(['a'], null)));
      await backdoor.trim(stream, lastId);

      expect(await writer.append(stream, batch(['b'], 'a'))).toMatchObject({ outcome: 'appended' });
    });

    it('refuses when the stream was trimmed, but not as far as the mark', async () => {
      const { writer, backdoor, stream } = await setUp(open);
      const { lastId: trimmedId } = written(await writer.append(stream, batch(['a'], null)));
      const { lastId } = written(await writer.append(stream, batch(['b'], 'a')));
      await backdoor.trim(stream, trimmedId);
      await backdoor.deleteEntry(stream, lastId);

      const result = await writer.append(stream, batch(['c'], 'b'));

      expect(result).toEqual({ outcome: 'refused', mark: { entryId: lastId, eventId: 'b' }, present: false });
    });

    it('is not disturbed by another source or a foreign writer on the same stream', async () => {
      const { writer, transport, backdoor, stream } = await setUp(open);
      const other = transport.writer();
      await writer.append(stream, batch(['a'], null));

      expect(await other.append(stream, batchOf('payments', ['x'], null))).toMatchObject({
        outcome: 'appended',
      });
      await backdoor.addEntry(stream, { hello: 'world' });
      expect(await writer.append(stream, batch(['b'], 'a'))).toMatchObject({ outcome: 'appended' });
      expect(await other.append(stream, batchOf('payments', ['y'], 'x'))).toMatchObject({
        outcome: 'appended',
      });
    });

    it('keeps the order of calls that overlap', async () => {
      const { writer, observer, stream } = await setUp(open);

      const results = await Promise.all([
        writer.append(stream, batch(['a', 'b'], null)),
        writer.append(stream, batch(['c'], 'b')),
        writer.append(stream, batch(['d'], 'c')),
      ]);

      expect(results.map(({ outcome }) => outcome)).toEqual(['appended', 'appended', 'appended']);
      expect(eventIds(await observer.range(stream, '-', '+', 10))).toEqual(['a', 'b', 'c', 'd']);
    });

    it('refuses what follows a refused batch in flight', async () => {
      const { writer, observer, stream } = await setUp(open);

      const results = await Promise.all([
        writer.append(stream, batch(['b'], 'a')),
        writer.append(stream, batch(['c'], 'b')),
      ]);

      expect(results.map(({ outcome }) => outcome)).toEqual(['refused', 'refused']);
      expect((await observer.stream(stream)).length).toBe(0);
    });

    it.each([
      ['no entries', batch([], null)],
      ['too few values', { ...batch(['a', 'b'], null), entries: [entry('a'), entry('b').slice(1)] }],
      ['no event ID', batch(['a', ''], null)],
      ['an event ID with a space', batch(['a', 'b c'], null)],
      [
        'an entry of another source',
        { ...batch(['a'], null), entries: [entry('a'), entry('b', 'payments')] },
      ],
      ['a reserved name for its source', batchOf('@trimmed', ['a'], null)],
    ])('rejects a batch with %s and writes nothing', async (_, malformed) => {
      const { writer, observer, stream } = await setUp(open);

      await expect(writer.append(stream, malformed)).rejects.toThrow(CommandRejectedError);

      const { length, writers, trimmedTo } = await observer.stream(stream);
      expect({ length, writers: writers.size, trimmedTo }).toEqual({
        length: 0,
        writers: 0,
        trimmedTo: null,
      });
    });

    it('leaves no trace of a refused batch', async () => {
      const { writer, observer, backdoor, stream } = await setUp(open);
      await backdoor.flushAll();

      await writer.append(stream, batch(['b'], 'a'));

      expect(await observer.stream(stream)).toMatchObject({ exists: false, length: 0, writers: new Map() });
    });
  });
}
