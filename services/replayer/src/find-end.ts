import { findCoverage, type History, readHistory } from '@event-bus/archive';
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
  if (await isInPlace(history, { stream, lastId, ends, at })) return { lastId, ends };
  const { occurredFrom, occurredTo } = replay.filter;
  const endsBeforeOthers = ends.every(({ entryId }) => compareEntryIds(entryId, lastId) > 0);
  if (occurredFrom === null || (endsBeforeOthers && occurredTo === null))
    throw new StreamRebuiltError(stream);
  const missing = new Set(ends.map(({ eventId }) => eventId));
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
 * A stream that goes back in time loses its newest entries, all from some point on. So what is before an entry that stands
 * is in place, and what is archived or trimmed was.
 */
async function isInPlace(
  { store, streams }: History,
  { stream, lastId, ends, at }: RangeEnd & { readonly stream: string; readonly at: string },
): Promise<boolean> {
  if (ends.length === 0 || compareEntryIds(at, lastId) >= 0) return true;
  const isBehind = (id: string | null) => id !== null && compareEntryIds(id, lastId) >= 0;
  for (const { entryId, eventId } of ends.filter((end) => isBehind(end.entryId))) {
    const [entry] = await streams.range(stream, entryId, entryId, 1);
    if ((entry?.fields.event_id ?? null) === eventId) return true;
  }
  if (isBehind((await streams.stream(stream)).trimmedTo)) return true;
  return store !== undefined && isBehind((await findCoverage(store, { stream, after: at })).upTo);
}
