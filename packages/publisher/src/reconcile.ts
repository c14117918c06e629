import { type BusDatabase, loadRetention } from '@event-bus/database';
import {
  batchesAbove,
  batchesBelow,
  countAbove,
  forgetBatch,
  loadSettled,
  moveBatches,
  type RecordedBatch,
  type RecordedPositions,
  readFloor,
} from '@event-bus/outbox/log';
import type { Expectation, StreamWriter, WriterMark, WriterState } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';
import type { Leader } from './leader.ts';
import { rewrite } from './rewrite.ts';
import { findTrimmed } from './trimmed.ts';

const chunk = 200;

/**
 * Writes again what a stream has lost: it went back in time, and by how much is found by walking back through the
 * recorded batches to the last one that stands. What a server loses is always the end of its history, so everything
 * before that stands, too. About a page of events is
 * written at a time, then the records of their batches move to the new places and keep their numbers: if this is
 * interrupted, the newest batch still does not stand, and the next look begins where this one ended. What was trimmed on
 * purpose, all batches up to the number `trimmed`, counts as standing.
 * @throws StreamChangedError someone else wrote or deleted meanwhile: look again.
 * @throws DeposedError another leader has taken over.
 */
export async function reconcileStream(
  leader: Leader,
  stream: string,
  found: WriterState,
  trimmed: number,
): Promise<void> {
  const { pool, epoch, writer, streams, settings, observer } = leader;
  const state = streams.state(stream);
  if (state.newest === undefined) return;
  let standing = await lastSurvivor(pool, writer, state.newest, trimmed);
  if (standing?.number === state.newest.number) return;
  if (standing === undefined && found.mark !== null && (await hasLeftLog(leader, stream, found.mark))) {
    observer.olderThanLog(stream, found.mark);
  }
  observer.reconciling(stream, state.newest.number - numberOf(standing));
  let expect: Expectation = { eventId: found.mark?.eventId ?? null, present: found.markPresent };
  let above = numberOf(standing);
  // What left the log and was settled by every group is nothing that anybody misses.
  const settled = await loadSettled(pool, stream);
  for (;;) {
    const batches = upTo(settings.pageSize, await batchesAbove(pool, stream, above, chunk));
    const last = batches.at(-1);
    if (last === undefined) break;
    const rewritten = await rewrite(leader, batches, expect, standing?.lastId ?? '-');
    for (const batch of rewritten.lacking) if (batch.number > settled) observer.unrecoverable(batch);
    for (const batch of rewritten.gone) await forgetBatch(pool, epoch, stream, batch.number);
    await moveBatches(pool, epoch, stream, rewritten.moved);
    if (rewritten.events > 0) observer.reconciled(stream, rewritten.events);
    standing = rewritten.moved.at(-1) ?? standing;
    expect = rewritten.expect;
    above = last.number;
  }
  // Not before all are through: were a batch in the middle taken for the newest, the rest would pass for written.
  state.newest = standing;
}

/** Whether a marked entry is of an event that was pruned, as its position tells. */
async function hasLeftLog({ pool, writer }: Leader, stream: string, mark: WriterMark): Promise<boolean> {
  const [entry] = await writer.range(stream, mark.entryId, mark.entryId, 1);
  if (entry?.fields.event_id !== mark.eventId) return false;
  return Number(entry.fields.position) <= (await readFloor(pool)).position;
}

/** The first of these batches, and as many more as keep the events within the limit. */
function upTo(limit: number, batches: readonly RecordedPositions[]): RecordedPositions[] {
  let events = 0;
  const tooMany = batches.findIndex((batch) => {
    events += batch.events;
    return events > limit;
  });
  return tooMany < 0 ? [...batches] : batches.slice(0, Math.max(1, tooMany));
}

function numberOf(batch: RecordedBatch | undefined): number {
  return batch?.number ?? 0;
}

/** Where a survey looks. */
export interface SurveyParts {
  readonly pool: Pool;
  readonly busDatabase: Kysely<BusDatabase>;
  readonly writer: StreamWriter;
  readonly source: string;
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

/** Looks, without writing, whether a stream still holds all that is recorded of it and was not trimmed. */
export async function surveyStream(
  { pool, busDatabase, writer, source }: SurveyParts,
  newest: RecordedBatch,
): Promise<StreamSurvey> {
  const { stream } = newest;
  const asked = { entryId: newest.lastId, eventId: newest.lastEventId };
  const found = await writer.inspect(stream, source, asked);
  if (found.askedPresent === true) return { stream, intact: true, lostBatches: 0, lostEvents: 0 };
  const retention = await loadRetention(busDatabase, stream);
  const trimmed = await findTrimmed(pool, source, newest, retention);
  const survivor = await lastSurvivor(pool, writer, newest, trimmed);
  const lost = await countAbove(pool, stream, numberOf(survivor));
  return { stream, intact: lost.batches === 0, lostBatches: lost.batches, lostEvents: lost.events };
}

/** The newest recorded batch that still stands in its stream; `undefined` if none does. */
async function lastSurvivor(
  pool: Pool,
  writer: StreamWriter,
  newest: RecordedBatch,
  trimmed: number,
): Promise<RecordedBatch | undefined> {
  let below = newest.number + 1;
  for (;;) {
    const batches = await batchesBelow(pool, newest.stream, below, chunk);
    const stands = await Promise.all(batches.map((batch) => standsIn(writer, batch, trimmed)));
    const survivor = batches[stands.indexOf(true)];
    if (survivor !== undefined) return survivor;
    const oldest = batches.at(-1);
    if (oldest === undefined) return undefined;
    below = oldest.number;
  }
}

async function standsIn(writer: StreamWriter, batch: RecordedBatch, trimmed: number): Promise<boolean> {
  if (batch.number <= trimmed) return true;
  const [entry] = await writer.range(batch.stream, batch.lastId, batch.lastId, 1);
  return entry?.fields.event_id === batch.lastEventId;
}
