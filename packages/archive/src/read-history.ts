import {
  compareEntryIds,
  type StreamEntry,
  type StreamObserver,
  type StreamStatus,
} from '@event-bus/transport';
import { HistoryGapError } from './errors.ts';
import { following } from './layout/entry-id.ts';
import { readEntries } from './read-entries.ts';
import type { ArchiveStore } from './store/store.ts';

/** The two places in which the entries of a stream are. */
export interface History {
  /** Without it, the stream alone is read. */
  readonly store: ArchiveStore | undefined;
  readonly streams: Pick<StreamObserver, 'range' | 'stream'>;
}

/** Which part of the history of a stream to read. */
export interface HistoryRange {
  readonly stream: string;
  /** Exclusive; `0-0` is the beginning. */
  readonly after: string;
  /** Inclusive; by default up to the end of the stream. */
  readonly to?: string | undefined;
  /**
   * Up to here, inclusive, entries may be gone: the reading then begins with what there is, with `all` wherever that may
   * be. By default none may.
   */
  readonly mayBeGone?: string | undefined;
}

const PAGE_COUNT = 200;

/**
 * Reads entries of a stream as one sequence in the order of their IDs: from the archive what has left the stream, from the
 * stream what follows. An archiver may be trimming: as long as nothing is trimmed that was not archived before, each
 * entry comes exactly once.
 * @throws HistoryGapError entries of the range are in neither of them any more.
 * @throws MissingObjectError, DamagedObjectError, ObjectMissingError, UnknownFormatError as `readEntries`
 */
export async function* readHistory(history: History, range: HistoryRange): AsyncGenerator<StreamEntry> {
  const place = { ...range };
  while (!isAtEnd(place)) {
    const page = await history.streams.range(range.stream, `(${place.after}`, range.to ?? '+', PAGE_COUNT);
    // Behind the page: whatever had been trimmed when the page was read is seen.
    const status = await history.streams.stream(range.stream);
    if (!reachesBack(status, place) && (yield* readLeft(history, place, status))) continue;
    for (const entry of page) {
      moveTo(place, entry.id);
      yield entry;
    }
    if (page.length < PAGE_COUNT) return;
  }
}

/**
 * The part of it that has left the stream. When it is at its end, the stream holds all that comes behind the last entry, or
 * behind `range.after` if there was none.
 * @throws as {@link readHistory}
 */
export async function* readLeftEntries(history: History, range: HistoryRange): AsyncGenerator<StreamEntry> {
  const place = { ...range };
  while (!isAtEnd(place)) {
    const status = await history.streams.stream(range.stream);
    if (reachesBack(status, place) || !(yield* readLeft(history, place, status))) return;
  }
}

/** Where a reading is. */
type Place = { -readonly [Name in keyof HistoryRange]: HistoryRange[Name] };

/**
 * Reads on from the archive, up to its end; returns whether that led any further. What the stream, which does not reach
 * back to the place, lacked when it was looked at was archived before, unless it is lost.
 */
async function* readLeft(
  { store }: History,
  place: Place,
  { trimmedTo, firstId }: StreamStatus,
): AsyncGenerator<StreamEntry, boolean> {
  const { stream, after: began, to } = place;
  if (store !== undefined) {
    const reading = readEntries(store, { stream, from: following(began), ...(to !== undefined && { to }) });
    for await (const entry of reading) {
      const { coveredFrom } = reading;
      // What the archive lacks before its first entry, such as what has expired, is in the stream still.
      if (firstId !== null && coveredFrom !== null && compareEntryIds(firstId, coveredFrom) <= 0) break;
      assertBeginning(place, coveredFrom);
      moveTo(place, entry.id);
      yield entry;
    }
    moveTo(place, reading.coveredTo ?? began);
  }
  const hasMoved = place.after !== began;
  if (!hasMoved) assertBeginning(place, trimmedTo);
  return hasMoved;
}

/** Whether the stream has the entry at which the reading is, or an older one: then nothing behind it was trimmed. */
function reachesBack({ firstId }: StreamStatus, { after }: Place): boolean {
  return firstId !== null && compareEntryIds(firstId, after) <= 0;
}

/** Once something was given out, nothing that follows may be gone. */
function moveTo(place: Place, id: string): void {
  if (compareEntryIds(id, place.after) <= 0) return;
  place.after = id;
  place.mayBeGone = undefined;
}

function assertBeginning({ stream, after, mayBeGone = after }: Place, begins: string | null): void {
  if (begins === null || mayBeGone === 'all' || compareEntryIds(begins, after) <= 0) return;
  if (compareEntryIds(begins, mayBeGone) > 0) throw new HistoryGapError(stream, after, begins);
}

function isAtEnd({ after, to }: Place): boolean {
  return to !== undefined && compareEntryIds(after, to) >= 0;
}
