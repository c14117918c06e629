import type { Pool } from 'pg';
import { DeposedError } from '../errors.ts';
import { type Range, toMultirange, toRanges } from './ranges.ts';

/** A recorded batch: what was written to a stream, as which entries. */
export interface RecordedBatch {
  readonly stream: string;
  /** Grows by one with each batch of a stream; a batch that is written again keeps its number. */
  readonly number: number;
  readonly lastId: string;
  readonly lastEventId: string;
}

/** A recorded batch with the positions of its events. */
export interface RecordedPositions extends RecordedBatch {
  readonly events: number;
  readonly positions: readonly Range[];
}

interface BatchRow {
  stream: string;
  number: string;
  last_id: string;
  last_event_id: string;
}

const columns = 'stream, number::text, last_id, last_event_id::text';

/**
 * A query for these columns of the newest batch of every stream. A loose index scan: the table has a row per batch, and
 * only the newest of each stream is wanted.
 */
export function newestOf(select: string): string {
  return `with recursive streams as (
      (select stream from outbox_batches order by stream limit 1)
      union all
      select (select b.stream from outbox_batches b where b.stream > s.stream order by b.stream limit 1)
      from streams s where s.stream is not null
    )
    select b.* from streams s
    cross join lateral (
      select ${select} from outbox_batches where stream = s.stream order by outbox_batches.number desc limit 1
    ) b`;
}

/** The newest batch of every stream this outbox has written to. */
export async function newestBatches(pool: Pool): Promise<RecordedBatch[]> {
  const { rows } = await pool.query<BatchRow>(newestOf(columns));
  return rows.map(toBatch);
}

/** Batches of a stream below a number, newest first, at most `limit`. */
export async function batchesBelow(
  pool: Pool,
  stream: string,
  below: number,
  limit: number,
): Promise<RecordedBatch[]> {
  const { rows } = await pool.query<BatchRow>({
    name: 'outbox_batches_below',
    text: `select ${columns} from outbox_batches where stream = $1 and number < $2
      order by outbox_batches.number desc limit $3`,
    values: [stream, below, limit],
  });
  return rows.map(toBatch);
}

/** The batches of a stream above a number, oldest first, at most `limit`. */
export async function batchesAbove(
  pool: Pool,
  stream: string,
  above: number,
  limit: number,
): Promise<RecordedPositions[]> {
  const { rows } = await pool.query<BatchRow & { events: number; ranges: [string, string][] }>({
    name: 'outbox_batches_above',
    text: `select ${columns}, events, (
        select array_agg(array[lower(r)::text, (upper(r) - 1)::text]) from unnest(positions) r
      ) as ranges
      from outbox_batches where stream = $1 and number > $2 order by outbox_batches.number limit $3`,
    values: [stream, above, limit],
  });
  return rows.map((row) => ({
    ...toBatch(row),
    events: row.events,
    positions: row.ranges.map(([first, last]) => ({ first: Number(first), last: Number(last) })),
  }));
}

/** A recorded batch, and what stands before it. */
export interface PlacedBatch extends RecordedBatch {
  readonly positions: readonly Range[];
  /** Where the batch before it ended, if one is on record: its own entries stand between there and `lastId`. */
  readonly previousId: string | null;
}

/** The batches that hold any of these positions, in no order. Reads those that span any between the first and the last. */
export async function batchesHolding(pool: Pool, positions: readonly number[]): Promise<PlacedBatch[]> {
  const { rows } = await pool.query<BatchRow & { ranges: [string, string][]; previous_id: string | null }>(
    `select ${columns}, (
        select array_agg(array[lower(r)::text, (upper(r) - 1)::text]) from unnest(positions) r
      ) as ranges, (
        select p.last_id from outbox_batches p
        where p.stream = b.stream and p.number < b.number order by p.number desc limit 1
      ) as previous_id
      from outbox_batches b
      where range_merge(positions) && range_merge($1::int8multirange) and positions && $1::int8multirange`,
    [toMultirange(toRanges(positions.toSorted((a, b) => a - b)))],
  );
  return rows.map((row) => ({
    ...toBatch(row),
    positions: row.ranges.map(([first, last]) => ({ first: Number(first), last: Number(last) })),
    previousId: row.previous_id,
  }));
}

/**
 * Notes where batches of a stream stand after they were written again, and which event of each came last: the log may
 * no longer have them all. Their numbers stay, so that an interrupted reconcile is noticed by the same check as any
 * loss.
 * @throws DeposedError another leader has taken over; nothing was changed.
 */
export async function moveBatches(
  pool: Pool,
  epoch: number,
  stream: string,
  batches: readonly RecordedBatch[],
): Promise<void> {
  if (batches.length === 0) return;
  const { rowCount } = await pool.query({
    name: 'outbox_move_batches',
    text: `update outbox_batches b set last_id = m.last_id, last_event_id = m.last_event_id, written_at = clock_timestamp()
      from unnest($3::bigint[], $4::text[], $5::uuid[]) m(number, last_id, last_event_id)
      where b.stream = $2 and b.number = m.number and exists (select from outbox_cursor where epoch = $1 for share)`,
    values: [
      epoch,
      stream,
      batches.map((batch) => batch.number),
      batches.map((batch) => batch.lastId),
      batches.map((batch) => batch.lastEventId),
    ],
  });
  if (rowCount !== batches.length) throw new DeposedError(epoch);
}

/** How many batches and events of a stream are recorded above a number. */
export async function countAbove(
  pool: Pool,
  stream: string,
  above: number,
): Promise<{ batches: number; events: number }> {
  const { rows } = await pool.query<{ batches: string; events: string }>(
    `select count(*)::text as batches, coalesce(sum(events), 0)::text as events
     from outbox_batches where stream = $1 and number > $2`,
    [stream, above],
  );
  return { batches: Number(rows[0]?.batches), events: Number(rows[0]?.events) };
}

/**
 * The number of the batch by which an event came to a stream; `undefined` if none is recorded, or if the position is another
 * event's: the database went back in time, and has given it out again.
 */
export async function batchOf(
  pool: Pool,
  stream: string,
  event: { readonly position: number; readonly eventId: string },
): Promise<number | undefined> {
  const { rows } = await pool.query<{ number: string }>(
    `select number::text from outbox_batches
     where stream = $1 and range_merge(positions) @> $2::bigint and positions @> $2::bigint
       and not exists (select from outbox_events where position = $2 and event_id::text <> $3)
     order by outbox_batches.number desc limit 1`,
    [stream, event.position, event.eventId],
  );
  return rows[0] && Number(rows[0].number);
}

/**
 * Forgets a batch whose events are no longer in the log, so that nobody looks for it again.
 * @throws DeposedError another leader has taken over; nothing was changed.
 */
export async function forgetBatch(pool: Pool, epoch: number, stream: string, number: number): Promise<void> {
  const { rowCount } = await pool.query(
    `delete from outbox_batches where stream = $2 and number = $3
       and exists (select from outbox_cursor where epoch = $1 for share)`,
    [epoch, stream, number],
  );
  if (rowCount !== 1) throw new DeposedError(epoch);
}

/** Whether an event is in this outbox's log at all. */
export async function isInLog(pool: Pool, eventId: string): Promise<boolean> {
  const { rowCount } = await pool.query('select from outbox_events where event_id = $1 limit 1', [eventId]);
  return rowCount === 1;
}

function toBatch(row: BatchRow): RecordedBatch {
  return {
    stream: row.stream,
    number: Number(row.number),
    lastId: row.last_id,
    lastEventId: row.last_event_id,
  };
}
