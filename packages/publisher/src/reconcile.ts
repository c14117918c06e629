import {
  batchesBelow,
  countAbove,
  forgetBatch,
  type LogRow,
  moveBatch,
  nextBatch,
  type RecordedBatch,
  type RecordedPositions,
  readPositions,
} from '@event-bus/outbox/log';
import type { Expectation, StreamWriter, WriterState } from '@event-bus/transport';
import type { Pool } from 'pg';
import { entryOf } from './batch.ts';
import { StreamChangedError } from './errors.ts';
import type { Leader } from './leader.ts';

const chunk = 200;

/**
 * Writes again what a stream has lost: it went back in time, and by how much is found by walking back through the
 * recorded batches to the last one that stands. What a server loses is always the end of its history, so everything
 * before that stands, too. Each batch's record moves to its new place and keeps its number: if this is interrupted, the
 * newest batch still does not stand, and the next look begins where this one ended.
 * @throws StreamChangedError someone else wrote or deleted meanwhile: look again.
 * @throws DeposedError another leader has taken over.
 */
export async function reconcileStream(leader: Leader, stream: string, found: WriterState): Promise<void> {
  const { pool, epoch, writer, streams, observer } = leader;
  const state = streams.state(stream);
  if (state.newest === undefined) return;
  let standing = await lastSurvivor(pool, writer, state.newest, found.trimmedTo);
  observer.reconciling(stream, state.newest.number - numberOf(standing));
  let expect: Expectation = { eventId: found.mark?.eventId ?? null, present: found.markPresent };
  let number = numberOf(standing);
  for (
    let batch = await nextBatch(pool, stream, number);
    batch;
    batch = await nextBatch(pool, stream, number)
  ) {
    number = batch.number;
    const { rows, last } = await missingRows(leader, batch, standing?.lastId ?? '-');
    if (last === undefined) {
      observer.unrecoverable(batch);
      await forgetBatch(pool, epoch, stream, number);
      continue;
    }
    let lastId = '';
    for (let start = 0; start < rows.length; start += leader.settings.pageSize) {
      const part = rows.slice(start, start + leader.settings.pageSize);
      ({ expect, lastId } = await append(leader, stream, part, expect));
    }
    standing = { stream, number, lastId, lastEventId: last.eventId };
    await moveBatch(pool, epoch, standing);
    observer.reconciled(stream, rows.length);
  }
  // Not before all are through: were a batch in the middle taken for the newest, the rest would pass for written.
  state.newest = standing;
}

function numberOf(batch: RecordedBatch | undefined): number {
  return batch?.number ?? 0;
}

/** What a look at one stream found. */
export interface StreamSurvey {
  readonly stream: string;
  /** Whether the newest recorded batch stands, and so everything before it. */
  readonly intact: boolean;
  /** Recorded batches behind the last that stands. */
  readonly lostBatches: number;
  /** Events in them; a few of the first batch may have survived. */
  readonly lostEvents: number;
}

/** Looks, without writing, whether a stream still holds all that is recorded of it. */
export async function surveyStream(
  pool: Pool,
  writer: StreamWriter,
  source: string,
  newest: RecordedBatch,
): Promise<StreamSurvey> {
  const { stream } = newest;
  const asked = { entryId: newest.lastId, eventId: newest.lastEventId };
  const found = await writer.inspect(stream, source, asked);
  if (found.askedPresent === true) return { stream, intact: true, lostBatches: 0, lostEvents: 0 };
  const survivor = await lastSurvivor(pool, writer, newest, found.trimmedTo);
  const lost = await countAbove(pool, stream, numberOf(survivor));
  return { stream, intact: false, lostBatches: lost.batches, lostEvents: lost.events };
}

/** The newest recorded batch that still stands in its stream; `undefined` if none does. */
async function lastSurvivor(
  pool: Pool,
  writer: StreamWriter,
  newest: RecordedBatch,
  trimmedTo: string | null,
): Promise<RecordedBatch | undefined> {
  let below = newest.number + 1;
  for (;;) {
    const batches = await batchesBelow(pool, newest.stream, below, chunk);
    const stands = await Promise.all(batches.map((batch) => standsIn(writer, batch, trimmedTo)));
    const survivor = batches[stands.indexOf(true)];
    if (survivor !== undefined) return survivor;
    const oldest = batches.at(-1);
    if (oldest === undefined) return undefined;
    below = oldest.number;
  }
}

async function standsIn(
  writer: StreamWriter,
  batch: RecordedBatch,
  trimmedTo: string | null,
): Promise<boolean> {
  if (trimmedTo !== null && compareIds(batch.lastId, trimmedTo) <= 0) return true;
  const [entry] = await writer.range(batch.stream, batch.lastId, batch.lastId, 1);
  return entry?.fields.event_id === batch.lastEventId;
}

// Of the first lost batch, some entries may have survived. Its last is written in any case, even if a copy that was
// never recorded survived: where it stands is how the batch is found again.
async function missingRows(
  leader: Leader,
  batch: RecordedPositions,
  after: string,
): Promise<{ rows: LogRow[]; last: LogRow | undefined }> {
  const recorded = await readPositions(leader.pool, batch.positions);
  const last = recorded.at(-1);
  const survived = new Set<string>();
  let from = after;
  while (from === '-' || compareIds(from, batch.lastId) < 0) {
    const entries = await leader.writer.range(batch.stream, from, batch.lastId, chunk);
    for (const entry of entries) if (entry.fields.event_id !== undefined) survived.add(entry.fields.event_id);
    const end = entries.at(-1);
    if (end === undefined || end.id === from) break;
    from = end.id;
  }
  return { rows: recorded.filter((row) => row === last || !survived.has(row.eventId)), last };
}

async function append(
  leader: Leader,
  stream: string,
  rows: readonly LogRow[],
  expect: Expectation,
): Promise<{ expect: Expectation; lastId: string }> {
  const { source } = leader.settings;
  const entries = rows.map((row) => entryOf(row, source));
  const result = await leader.writer.append(stream, { source, expect, entries });
  const last = rows.at(-1);
  if (result.outcome === 'refused' || last === undefined) {
    throw new StreamChangedError(`${stream} changed while it was reconciled`);
  }
  return { expect: { eventId: last.eventId, present: true }, lastId: result.lastId };
}

function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number);
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number);
  return aMs - bMs || aSeq - bSeq;
}
