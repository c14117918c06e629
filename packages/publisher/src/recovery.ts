import { assertLeads, isInLog, type LogRow, type ParkedEvent } from '@event-bus/outbox/log';
import {
  CommandRejectedError,
  type Expectation,
  TransportError,
  type WriterState,
} from '@event-bus/transport';
import { backoff } from './backoff.ts';
import { type Batch, entryOf, lastEventId, type Part } from './batch.ts';
import { entriesBetween } from './entries-between.ts';
import { StreamChangedError } from './errors.ts';
import type { Leader } from './leader.ts';
import { reconcileStream } from './reconcile.ts';
import { findTrimmed, highestId } from './trimmed.ts';

/**
 * Brings batches whose fate is unclear to a known end: when it returns, every part of them is written or parked, and
 * every stream they touch is whole. Also for a stream that no leader of this epoch has looked at yet.
 *
 * | the stream's mark of this source      | the newest recorded batch | what is done                              |
 * |---------------------------------------|---------------------------|-------------------------------------------|
 * | any                                   | no longer stands          | reconcile, then write all parts           |
 * | last event of one of these parts      | stands, or none           | that part and those before are written, if each row stands; else write all |
 * | last event of the recorded batch      | stands                    | write all parts                           |
 * | an event a predecessor did not record | stands, or none           | write all parts: they repeat it, in order |
 * | an event the log does not know        | stands, or none           | PostgreSQL went back: alarm, write all    |
 * | none                                  | none                      | first write to this stream                |
 * | cannot be read: it is no stream, say  | any                       | park all rows; other streams go on        |
 *
 * Repeats until it succeeds. Rejects when the lead is lost.
 * @throws DeposedError another leader has taken over.
 */
export async function recover(leader: Leader, batches: readonly Batch[]): Promise<void> {
  const streams = [...new Set(batches.flatMap((batch) => batch.parts.map((part) => part.stream)))];
  await Promise.all(batches.flatMap((batch) => batch.parts.flatMap(({ reply }) => reply ?? [])));
  await recoverStreams(leader, streams, batches);
}

/** The same for streams with nothing under way. */
export async function recoverStreams(
  leader: Leader,
  streams: readonly string[],
  batches: readonly Batch[] = [],
): Promise<void> {
  const { lost, observer } = leader;
  for (let attempt = 1; ; attempt += 1) {
    lost.throwIfAborted();
    await assertLeads(leader.pool, leader.epoch);
    try {
      let isEveryOneUsable = true;
      for (const stream of streams) {
        if (!(await resume(leader, stream, batches))) isEveryOneUsable = false;
      }
      if (isEveryOneUsable) observer.available();
      return;
    } catch (error) {
      if (!(error instanceof StreamChangedError || error instanceof TransportError)) throw error;
      observer.unavailable(error);
      await backoff(attempt, lost);
    }
  }
}

/** Whether the stream can be used; if it cannot, all that was to be written to it is parked. */
async function resume(leader: Leader, stream: string, batches: readonly Batch[]): Promise<boolean> {
  const { streams, observer } = leader;
  const state = streams.state(stream);
  const parts = batches.flatMap((batch) =>
    batch.parts.filter((part) => part.stream === stream).map((part) => ({ batch, part })),
  );
  const recorded = state.newest;
  let found: WriterState;
  try {
    found = await makeWhole(leader, stream);
  } catch (error) {
    if (!(error instanceof CommandRejectedError)) throw error;
    if (!state.isUnusable) observer.unavailable(error);
    state.isUnusable = true;
    for (const { batch, part } of parts) parkAll({ leader, batch, part }, error.message);
    state.expect = undefined;
    return false;
  }
  state.isUnusable = false;
  const { mark } = found;
  const standing = await standingParts(
    leader,
    parts.map(({ part }) => part),
    found,
  );
  const reached = standing.length - 1;
  // What is recorded, or was before the stream was made whole, was in the log once, even if it has been dropped since.
  const isKnown =
    mark === null ||
    reached >= 0 ||
    [recorded, state.newest].some((batch) => batch?.lastEventId === mark.eventId);
  if (!isKnown && !(await isInLog(leader.pool, mark.eventId))) observer.unknownMark(stream, mark);
  for (const [index, lastId] of standing.entries()) {
    const part = parts[index]?.part;
    if (part !== undefined) part.lastId = lastId;
  }

  let expect: Expectation = { eventId: mark?.eventId ?? null, present: found.markPresent };
  for (const { batch, part } of parts.slice(reached + 1)) {
    part.lastId = undefined;
    expect = await writeRows({ leader, batch, part }, part.rows, expect);
  }
  state.expect = expect;
  return true;
}

/**
 * Looks at a stream, and writes again what it has lost. Before anything is written to a stream that may have gone back in
 * time, it is told what it has forgotten: up to where it was trimmed, and which entry IDs are taken.
 */
async function makeWhole(leader: Leader, stream: string): Promise<WriterState> {
  const { pool, writer, settings, streams } = leader;
  const { newest } = streams.state(stream);
  const asked = newest && { entryId: newest.lastId, eventId: newest.lastEventId };
  const found = await writer.inspect(stream, settings.source, asked);
  if (found.askedPresent === true) return found;

  const retention = await streams.retention(stream);
  await writer.restoreTrim(stream, {
    trimmedTo: retention?.trimmedTo ?? null,
    highestId: highestId(newest, retention),
  });
  const restored = await writer.inspect(stream, settings.source, asked);
  if (newest === undefined || restored.askedPresent === true) return restored;
  const trimmed = await findTrimmed(pool, settings.source, newest, retention);
  await reconcileStream(leader, stream, restored, trimmed);
  return writer.inspect(stream, settings.source);
}

/**
 * The first parts that are in the stream, as the IDs of their last entries: those up to the one that ends with the
 * mark, if each of their rows stands there. The mark alone proves nothing: a predecessor's batch may have ended with the
 * same event and lacked a row that has become visible since.
 */
async function standingParts(leader: Leader, parts: readonly Part[], found: WriterState): Promise<string[]> {
  const { mark } = found;
  if (mark === null || !found.markPresent) return [];
  const reached = parts.findLastIndex((part) => lastEventId(part) === mark.eventId);
  const first = parts[0];
  if (reached < 0 || first === undefined) return [];
  const ids = new Map<string, string>();
  const recorded = leader.streams.state(first.stream).newest?.lastId ?? '-';
  for await (const { id, fields } of entriesBetween(leader, first.stream, recorded, mark.entryId)) {
    if (fields.source === leader.settings.source) ids.set(`${fields.event_id} ${fields.position}`, id);
  }
  const idOf = (row: LogRow) => ids.get(`${row.eventId} ${row.position}`);
  const claimed = parts.slice(0, reached + 1);
  if (!claimed.every((part) => part.rows.every((row) => idOf(row) !== undefined))) return [];
  return claimed.map((part) => part.rows.map(idOf).at(-1) ?? mark.entryId);
}

interface Writing {
  readonly leader: Leader;
  readonly batch: Batch;
  readonly part: Part;
}

// Halves what the server rejects until the rows are found that it will never accept. Those are parked, and what
// follows of their aggregates waits behind them.
async function writeRows(
  writing: Writing,
  all: readonly LogRow[],
  expect: Expectation,
): Promise<Expectation> {
  const { leader, part } = writing;
  const { source } = leader.settings;
  const rows = all.filter((row) => {
    const waits = leader.parking.behind(row);
    if (waits !== undefined) takeOut(writing, waits);
    return waits === undefined;
  });
  const [first] = rows;
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return expect;
  try {
    const entries = rows.map((row) => entryOf(row, source));
    const result = await leader.writer.append(part.stream, { source, expect, entries });
    if (result.outcome === 'refused') {
      throw new StreamChangedError(
        `${part.stream} changed while it was recovered: its mark is ${result.mark?.eventId ?? 'gone'}`,
      );
    }
    part.lastId = result.lastId;
    return { eventId: last.eventId, present: true };
  } catch (error) {
    if (!(error instanceof CommandRejectedError)) throw error;
    if (rows.length === 1) {
      takeOut(writing, leader.parking.park(first, error.message));
      return expect;
    }
    const middle = Math.ceil(rows.length / 2);
    const between = await writeRows(writing, rows.slice(0, middle), expect);
    return writeRows(writing, rows.slice(middle), between);
  }
}

function parkAll(writing: Writing, reason: string): void {
  const { parking } = writing.leader;
  for (const row of writing.part.rows) takeOut(writing, parking.behind(row) ?? parking.park(row, reason));
}

function takeOut({ leader, batch, part }: Writing, event: ParkedEvent): void {
  part.rows = part.rows.filter((row) => row.position !== event.position);
  batch.unparked = batch.unparked.filter((position) => position !== event.position);
  batch.parked.push(event);
  leader.observer.parked(event);
}
