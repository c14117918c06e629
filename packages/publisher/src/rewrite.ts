import {
  after,
  type LogRow,
  type Range,
  type RecordedBatch,
  type RecordedPositions,
  readPositions,
} from '@event-bus/outbox/log';
import type { AppendResult, Expectation } from '@event-bus/transport';
import { entryOf } from './batch.ts';
import { entriesBetween } from './entries-between.ts';
import { compareIds } from './entry-id.ts';
import { StreamChangedError } from './errors.ts';
import type { Leader } from './leader.ts';

/** What became of batches that were to be written again. */
export interface Rewritten {
  /** Those that stand again, and where. */
  readonly moved: readonly RecordedBatch[];
  /** Those none of whose events are in the log any more. */
  readonly gone: readonly RecordedPositions[];
  /** Those some of whose events are no longer in the log. */
  readonly lacking: readonly RecordedPositions[];
  /** How many events were written. */
  readonly events: number;
  /** What the next append finds. */
  readonly expect: Expectation;
}

interface Sent {
  readonly batch: RecordedPositions;
  readonly last: LogRow;
  readonly reply: Promise<AppendResult>;
}

/**
 * Writes what a stream lost of some consecutive batches again, each batch by appends of its own, so that the ID of its
 * last entry is known. All of a page are sent before the first is answered: each expects the event that the one before
 * it ends with.
 * @param behind everything up to this entry is as it was.
 * @throws StreamChangedError someone else wrote or deleted meanwhile. Some batches may have been written; none is recorded.
 */
export async function rewrite(
  leader: Leader,
  batches: readonly RecordedPositions[],
  before: Expectation,
  behind: string,
): Promise<Rewritten> {
  const survived = await survivors(leader, batches, behind);
  const moved = new Map<RecordedPositions, RecordedBatch>();
  const found = new Map<RecordedPositions, number>();
  let expect = before;
  let events = 0;
  for await (const rows of pagesOf(leader, batches)) {
    const sent: Sent[] = [];
    for (const batch of batches) {
      const own = rows.filter((row) => isIn(batch, row));
      const last = own.at(-1);
      if (last === undefined) continue;
      found.set(batch, (found.get(batch) ?? 0) + own.length);
      // The last is written in any case, even if a copy that was never recorded survived: where it stands is how the
      // batch is found again.
      const missing = own.filter((row) => row === last || !survived.has(row.eventId));
      sent.push({ batch, last, reply: append(leader, batch.stream, missing, expect) });
      expect = { eventId: last.eventId, present: true };
      events += missing.length;
    }
    await Promise.allSettled(sent.map(({ reply }) => reply));
    for (const { batch, last, reply } of sent) {
      const result = await reply;
      if (result.outcome !== 'appended') {
        throw new StreamChangedError(`${batch.stream} changed while it was reconciled`);
      }
      moved.set(batch, { ...batch, lastId: result.lastId, lastEventId: last.eventId });
    }
  }
  const gone = batches.filter((batch) => !moved.has(batch));
  const lacking = batches.filter((batch) => (found.get(batch) ?? 0) < batch.events);
  return { moved: [...moved.values()], gone, lacking, events, expect };
}

/** The rows of batches that are still in the log, batch by batch. */
async function* pagesOf(
  { pool, settings }: Leader,
  batches: readonly RecordedPositions[],
): AsyncGenerator<readonly LogRow[]> {
  let ranges: readonly Range[] = batches.flatMap((batch) => batch.positions);
  for (;;) {
    const { rows, isFull } = await readPositions(pool, ranges, settings);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (!isFull) return;
    ranges = after(last.position, ranges);
  }
}

// Of the first lost batch, some entries may have survived.
async function survivors(
  leader: Leader,
  batches: readonly RecordedPositions[],
  behind: string,
): Promise<Set<string>> {
  const survived = new Set<string>();
  const [first] = batches;
  if (first === undefined) return survived;
  const end = batches.reduce(
    (id, batch) => (compareIds(batch.lastId, id) > 0 ? batch.lastId : id),
    first.lastId,
  );
  if (behind !== '-' && compareIds(behind, end) >= 0) return survived;
  for await (const { fields } of entriesBetween(leader, first.stream, behind, end)) {
    if (fields.event_id !== undefined) survived.add(fields.event_id);
  }
  return survived;
}

function isIn(batch: RecordedPositions, row: LogRow): boolean {
  return batch.positions.some(({ first, last }) => first <= row.position && row.position <= last);
}

async function append(
  leader: Leader,
  stream: string,
  rows: readonly LogRow[],
  expect: Expectation,
): Promise<AppendResult> {
  const { source } = leader.settings;
  return leader.writer.append(stream, { source, expect, entries: rows.map((row) => entryOf(row, source)) });
}
