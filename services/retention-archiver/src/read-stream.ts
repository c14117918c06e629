import { compareEntryIds, type EntryName, type StreamEntry, type StreamObserver } from '@event-bus/transport';
import { StreamChangedError } from './errors.ts';

const FIRST_COUNT = 16;
const MOST_COUNT = 1_000;
const PAGE_BYTES = 1024 * 1024;

/**
 * Entries of a stream in order, a page of about a megabyte at a time. Each page begins with the entry that the one before
 * it ended with: as long as that stands under its event, the stream has not gone back in time in between.
 * @param range from `behind` to `below`, both exclusive; `eventId` is that of the entry `behind`, if it has to stand.
 * @throws StreamChangedError
 */
export async function* readStream(
  observer: StreamObserver,
  stream: string,
  range: { readonly behind: string; readonly eventId: string | undefined; readonly below: string },
): AsyncGenerator<StreamEntry> {
  const { behind, eventId, below } = range;
  let last: EntryName | undefined = eventId === undefined ? undefined : { id: behind, eventId };
  for (let count = FIRST_COUNT; ; ) {
    const from = last?.id ?? `(${behind}`;
    const page = await observer.range(stream, from, '+', count + 1);
    if (last !== undefined) assertSame(stream, last, page.shift());
    for (const entry of page) {
      if (compareEntryIds(entry.id, below) >= 0) return;
      yield entry;
    }
    const end = page.at(-1);
    if (end === undefined || page.length < count) return;
    last = { id: end.id, eventId: end.fields.event_id ?? '' };
    const bytes = page.reduce((sum, { fields }) => sum + (fields.payload?.length ?? 0), 0);
    count = bytes > PAGE_BYTES ? Math.ceil(count / 2) : Math.min(MOST_COUNT, count * 2);
  }
}

function assertSame(stream: string, expected: EntryName, found: StreamEntry | undefined): void {
  if (found?.id === expected.id && (found.fields.event_id ?? '') === expected.eventId) return;
  throw new StreamChangedError(stream, `the entry ${expected.id} is no longer there`);
}
