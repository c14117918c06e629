import { assertBatch, eventIdOf } from '../batch.ts';
import { namedFields } from '../entry.ts';
import { compareEntryIds } from '../entry-id.ts';
import type { StreamWriter, WriterMark } from '../transport.ts';
import { openSession } from './session.ts';
import { addEntry, entryOf, type MemoryState, rangeOf, streamOf, writersOf } from './state.ts';

/** Whether the entry stands in the stream under its event ID. */
function stands(state: MemoryState, stream: string, { entryId, eventId }: WriterMark): boolean {
  return entryOf(state, stream, entryId)?.fields.event_id === eventId;
}

/** Whether the marked entry does, or was trimmed on purpose. */
function stood(state: MemoryState, stream: string, mark: WriterMark): boolean {
  if (entryOf(state, stream, mark.entryId) !== undefined) return stands(state, stream, mark);
  const { trimmedTo } = writersOf(state, stream);
  return trimmedTo !== null && compareEntryIds(mark.entryId, trimmedTo) <= 0;
}

/** The publishing side in memory. No reply is ever lost here, and nothing refused by the server. */
export function createMemoryWriter(state: MemoryState): StreamWriter {
  const session = openSession(state, 'writer');

  return {
    async append(stream, { source, expect, entries }) {
      assertBatch(stream, source, entries);
      session.assertOpen();
      const { marks } = writersOf(state, stream);
      const mark = marks.get(source) ?? null;
      const present = mark !== null && stood(state, stream, mark);
      if ((mark?.eventId ?? null) !== expect.eventId || (expect.present && mark !== null && !present)) {
        return { outcome: 'refused', mark, present };
      }
      const written = entries.map((values) => ({
        entryId: addEntry(state, stream, namedFields(values)),
        eventId: eventIdOf(values),
      }));
      const last = written.at(-1) as WriterMark;
      marks.set(source, last);
      return { outcome: 'appended', firstId: written[0]?.entryId ?? last.entryId, lastId: last.entryId };
    },

    async inspect(stream, source, asked) {
      session.assertOpen();
      const { marks, trimmedTo } = writersOf(state, stream);
      const mark = marks.get(source) ?? null;
      return {
        mark,
        markPresent: mark !== null && stood(state, stream, mark),
        askedPresent: asked === undefined ? null : stands(state, stream, asked),
        trimmedTo,
      };
    },

    async range(stream, from, to, count) {
      session.assertOpen();
      return rangeOf(state, stream, from, to, count);
    },

    async restoreTrim(stream, { trimmedTo, highestId }) {
      session.assertOpen();
      const known = writersOf(state, stream);
      const isNews = known.trimmedTo === null || compareEntryIds(trimmedTo ?? '0-0', known.trimmedTo) > 0;
      if (trimmedTo !== null && isNews) known.trimmedTo = trimmedTo;
      if (highestId === '0-0') return false;
      const target = streamOf(state, stream);
      if (compareEntryIds(highestId, target.lastId) <= 0) return false;
      target.lastId = highestId;
      return true;
    },

    // The connection never breaks.
    onReconnect: () => undefined,

    async ping() {
      session.assertOpen();
    },

    close: () => session.close(),
  };
}
