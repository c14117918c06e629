import { describeObject, type History, idsBetween, listObjects } from '@event-bus/archive';
import type { ReplayEnd, ReplayRange } from '@event-bus/database';
import { compareEntryIds, type StreamStatus } from '@event-bus/transport';
import { HistoryExpiredError } from './errors.ts';

/** One end of a range: a time, which is that of the events themselves, or the ID of an entry. */
export type ReplayBound = { readonly at: Date } | { readonly id: string };

/** What to replay of a topic; both ends are included, and without `to` it ends with what there is now. */
export interface ReplayBounds {
  readonly from: ReplayBound;
  readonly to: ReplayBound | undefined;
}

/**
 * Entry IDs go by the clock of Redis at publishing, and times are those of the events. So a range of time is looked for
 * among the entries of a day more on both sides: an event that was published more than a day after it occurred, or more
 * than a day before by the clocks, is found by entry IDs only.
 */
export const WIDENING_MS = 86_400_000;

/**
 * The range of entries of one stream, or `undefined` if there can be none.
 * @throws HistoryExpiredError its beginning is in neither archive nor stream any more.
 */
export async function rangeOf(
  history: History,
  stream: string,
  { from, to }: ReplayBounds,
): Promise<ReplayRange | undefined> {
  const status = await history.streams.stream(stream);
  const ends = await endsOf(history, status);
  const newest = newestOf(status, ends);
  const firstId = 'id' in from ? preceding(from.id) : `${Math.max(0, from.at.getTime() - WIDENING_MS)}-0`;
  const lastId = earlier(newest, to === undefined ? newest : upTo(to));
  if (compareEntryIds(firstId, lastId) >= 0) return undefined;
  const begins = await beginningOf(history, status, firstId);
  const needed = 'id' in from ? firstId : `${from.at.getTime()}-0`;
  if (begins !== null && compareEntryIds(begins, needed) > 0) throw new HistoryExpiredError(stream, begins);
  return { stream, firstId, lastId, ends };
}

/** The newest entry of the stream, and what each source wrote to it last. */
async function endsOf({ streams }: History, { stream, lastId, writers }: StreamStatus): Promise<ReplayEnd[]> {
  const ends = new Map([...writers.values()].map(({ entryId, eventId }) => [entryId, eventId]));
  const [newest] = lastId === null ? [] : await streams.range(stream, lastId, lastId, 1);
  if (newest !== undefined) ends.set(newest.id, newest.fields.event_id ?? '');
  return [...ends].map(([entryId, eventId]) => ({ entryId, eventId }));
}

function upTo(to: ReplayBound): string {
  return 'id' in to ? to.id : idsBetween(new Date(0), new Date(to.at.getTime() + WIDENING_MS)).to;
}

function newestOf({ lastId, trimmedTo }: StreamStatus, ends: readonly ReplayEnd[]): string {
  const all = [lastId, trimmedTo, ...ends.map(({ entryId }) => entryId)];
  return all.reduce<string>((newest, id) => (id === null ? newest : later(newest, id)), '0-0');
}

/** Exclusive: from where on all that comes behind an entry is there; `null` if that is so from the entry on. */
async function beginningOf(
  { store }: History,
  { stream, trimmedTo }: StreamStatus,
  after: string,
): Promise<string | null> {
  if (trimmedTo === null || compareEntryIds(trimmedTo, after) <= 0) return null;
  if (store !== undefined) {
    for await (const { key } of listObjects(store, { stream, from: after })) {
      const description = await describeObject(store, key);
      return compareEntryIds(description.after, after) > 0 ? description.after : null;
    }
  }
  return trimmedTo;
}

/** The highest ID below an ID. */
function preceding(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  if (BigInt(sequence) > 0n) return `${ms}-${BigInt(sequence) - 1n}`;
  return BigInt(ms) === 0n ? '0-0' : idsBetween(new Date(0), new Date(Number(ms))).to;
}

function later(a: string, b: string): string {
  return compareEntryIds(a, b) > 0 ? a : b;
}

function earlier(a: string, b: string): string {
  return compareEntryIds(a, b) < 0 ? a : b;
}
