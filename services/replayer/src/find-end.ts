import { type ArchiveStore, type History, readEntries, readHistory } from '@event-bus/archive';
import type { Replay, ReplayEnd, ReplayStream } from '@event-bus/database';
import { compareEntryIds } from '@event-bus/transport';
import { StreamRebuiltError } from './errors.ts';

/** Where a range ends, and the events by which it is known. */
export interface RangeEnd {
  readonly lastId: string;
  readonly ends: readonly ReplayEnd[];
}

/**
 * Finds the end of a range. It is where it was, unless the stream was lost and rebuilt in the meantime: then the events
 * that stood last when the replay was asked for are looked for behind `at`, where they stand under other IDs.
 * `undefined` as long as they are not all written again.
 * @throws StreamRebuiltError the range goes by entry IDs.
 */
export async function findEnd(
  history: History,
  replay: Replay,
  { stream, lastId, ends }: ReplayStream & RangeEnd,
  at: string,
): Promise<RangeEnd | undefined> {
  // What stood up to `at` is brought. It is not looked for: it may be in neither archive nor stream any more.
  const left = ends.filter(({ entryId }) => compareEntryIds(entryId, at) > 0);
  if (await isInPlace(history, { stream, lastId, ends: left, at })) return { lastId, ends };
  const { occurredFrom, occurredTo } = replay.filter;
  const endsBeforeOthers = ends.every(({ entryId }) => compareEntryIds(entryId, lastId) > 0);
  if (occurredFrom === null || (endsBeforeOthers && occurredTo === null))
    throw new StreamRebuiltError(stream);
  const missing = new Set(left.map(({ eventId }) => eventId));
  const found: ReplayEnd[] = [];
  for await (const { id, fields } of readHistory(history, { stream, after: at, mayBeGone: 'all' })) {
    const eventId = fields.event_id ?? '';
    if (!missing.delete(eventId)) continue;
    found.push({ entryId: id, eventId });
    if (missing.size === 0) return { lastId: id, ends: found };
  }
  return undefined;
}

/**
 * A stream that goes back in time loses its newest entries, all from some point on. So what is before an entry that stands,
 * or is archived, is in place. That something is archived or trimmed up to an ID proves nothing: the stream may have been
 * rebuilt since, and what is there now has later IDs.
 */
async function isInPlace(
  { store, streams }: History,
  { stream, lastId, ends, at }: RangeEnd & { readonly stream: string; readonly at: string },
): Promise<boolean> {
  if (ends.length === 0 || compareEntryIds(at, lastId) >= 0) return true;
  const behind = ends.filter(({ entryId }) => compareEntryIds(entryId, lastId) >= 0);
  for (const { entryId, eventId } of behind) {
    const [entry] = await streams.range(stream, entryId, entryId, 1);
    if ((entry?.fields.event_id ?? null) === eventId) return true;
  }
  const { trimmedTo } = await streams.stream(stream);
  const isTrimmed = trimmedTo !== null && compareEntryIds(trimmedTo, lastId) >= 0;
  if (store === undefined) return isTrimmed;
  for (const end of behind) {
    const found = await lookUp(store, stream, end);
    // Reading the range fails where it is gone, and says so.
    if (found === 'archived' || (found === 'gone' && isTrimmed)) return true;
  }
  return false;
}

/** Whether the archive has an event under an entry ID, has others there or none, or has nothing that goes back so far. */
async function lookUp(
  store: ArchiveStore,
  stream: string,
  { entryId, eventId }: ReplayEnd,
): Promise<'archived' | 'absent' | 'gone'> {
  const reading = readEntries(store, { stream, from: entryId });
  for await (const { id, fields } of reading) {
    if (id === entryId && fields.event_id === eventId) return 'archived';
    if (id !== entryId) break;
  }
  const { coveredFrom } = reading;
  return coveredFrom !== null && compareEntryIds(coveredFrom, entryId) < 0 ? 'absent' : 'gone';
}
