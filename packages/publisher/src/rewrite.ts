import {
  type LogRow,
  type RecordedBatch,
  type RecordedPositions,
  readPositions,
} from '@event-bus/outbox/log';
import type { AppendResult, Expectation } from '@event-bus/transport';
import { entryOf } from './batch.ts';
import { compareIds } from './entry-id.ts';
import { StreamChangedError } from './errors.ts';
import type { Leader } from './leader.ts';

/** What became of batches that were to be written again. */
export interface Rewritten {
  /** Those that stand again, and where. */
  readonly moved: readonly RecordedBatch[];
  /** Those whose events are no longer in the log. */
  readonly gone: readonly RecordedPositions[];
  /** How many events were written. */
  readonly events: number;
  /** What the next append finds. */
  readonly expect: Expectation;
}

/**
 * Writes what a stream lost of some consecutive batches again, each batch by appends of its own, so that the ID of its
 * last entry is known. All are sent before the first is answered: each expects the event that the one before it ends with.
 * @param after everything up to this entry is as it was.
 * @throws StreamChangedError someone else wrote or deleted meanwhile. Some batches may have been written; none is recorded.
 */
export async function rewrite(
  leader: Leader,
  batches: readonly RecordedPositions[],
  before: Expectation,
  after: string,
): Promise<Rewritten> {
  const rows = await readPositions(
    leader.pool,
    batches.flatMap((batch) => batch.positions),
  );
  const survived = await survivors(leader, batches, after);
  const gone: RecordedPositions[] = [];
  const sent: { batch: RecordedPositions; last: LogRow; replies: Promise<AppendResult>[] }[] = [];
  let expect = before;
  let events = 0;
  for (const batch of batches) {
    const own = rows.filter((row) => isIn(batch, row));
    const last = own.at(-1);
    if (last === undefined) {
      gone.push(batch);
      continue;
    }
    // Its last is written in any case, even if a copy that was never recorded survived: where it stands is how the
    // batch is found again.
    const missing = own.filter((row) => row === last || !survived.has(row.eventId));
    const replies: Promise<AppendResult>[] = [];
    for (const part of parts(missing, leader.settings.pageSize)) {
      replies.push(append(leader, batch.stream, part, expect));
      expect = { eventId: part.at(-1)?.eventId ?? null, present: true };
    }
    events += missing.length;
    sent.push({ batch, last, replies });
  }
  await Promise.allSettled(sent.flatMap(({ replies }) => replies));
  const moved: RecordedBatch[] = [];
  for (const { batch, last, replies } of sent) {
    const results = await Promise.all(replies);
    const result = results.at(-1);
    if (result?.outcome !== 'appended' || results.some(({ outcome }) => outcome === 'refused')) {
      throw new StreamChangedError(`${batch.stream} changed while it was reconciled`);
    }
    moved.push({ ...batch, lastId: result.lastId, lastEventId: last.eventId });
  }
  return { moved, gone, events, expect };
}

// Of the first lost batch, some entries may have survived.
async function survivors(
  leader: Leader,
  batches: readonly RecordedPositions[],
  after: string,
): Promise<Set<string>> {
  const survived = new Set<string>();
  const [first] = batches;
  if (first === undefined) return survived;
  const end = batches.reduce(
    (id, batch) => (compareIds(batch.lastId, id) > 0 ? batch.lastId : id),
    first.lastId,
  );
  let from = after;
  while (from === '-' || compareIds(from, end) < 0) {
    const entries = await leader.writer.range(first.stream, from, end, leader.settings.pageSize);
    for (const { fields } of entries) if (fields.event_id !== undefined) survived.add(fields.event_id);
    const last = entries.at(-1);
    if (last === undefined || last.id === from) break;
    from = last.id;
  }
  return survived;
}

function isIn(batch: RecordedPositions, row: LogRow): boolean {
  return batch.positions.some(({ first, last }) => first <= row.position && row.position <= last);
}

function* parts(rows: readonly LogRow[], size: number): Generator<LogRow[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
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
