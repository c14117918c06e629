import type { Pool } from 'pg';
import { DeposedError } from '../errors.ts';
import type { Range } from './ranges.ts';

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
  readonly positions: readonly Range[];
}

interface BatchRow {
  stream: string;
  number: string;
  last_id: string;
  last_event_id: string;
}

const columns = 'stream, number::text, last_id, last_event_id::text';

/** The newest batch of every stream this outbox has written to. */
export async function newestBatches(pool: Pool): Promise<RecordedBatch[]> {
  // A loose index scan: the table has a row per batch, and only the newest of each stream is wanted.
  const { rows } = await pool.query<BatchRow>(
    `with recursive streams as (
       (select stream from outbox_batches order by stream limit 1)
       union all
       select (select b.stream from outbox_batches b where b.stream > s.stream order by b.stream limit 1)
       from streams s where s.stream is not null
     )
     select b.* from streams s
     cross join lateral (
       select ${columns} from outbox_batches where stream = s.stream order by outbox_batches.number desc limit 1
     ) b`,
  );
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

/** The first batch of a stream above a number, or `undefined`. */
export async function nextBatch(
  pool: Pool,
  stream: string,
  above: number,
): Promise<RecordedPositions | undefined> {
  const { rows } = await pool.query<BatchRow & { ranges: [string, string][] }>({
    name: 'outbox_next_batch',
    text: `select ${columns}, (
        select array_agg(array[lower(r)::text, (upper(r) - 1)::text]) from unnest(positions) r
      ) as ranges
      from outbox_batches where stream = $1 and number > $2 order by outbox_batches.number limit 1`,
    values: [stream, above],
  });
  const row = rows[0];
  return (
    row && {
      ...toBatch(row),
      positions: row.ranges.map(([first, last]) => ({ first: Number(first), last: Number(last) })),
    }
  );
}

/**
 * Notes where a batch stands after it was written again, and which of its events came last: the log may no longer
 * have them all. Its number stays, so that an interrupted reconcile is noticed by the same check as any loss.
 * @throws DeposedError another leader has taken over; nothing was changed.
 */
export async function moveBatch(pool: Pool, epoch: number, batch: RecordedBatch): Promise<void> {
  const { rowCount } = await pool.query({
    name: 'outbox_move_batch',
    text: `update outbox_batches set last_id = $4, last_event_id = $5, written_at = clock_timestamp()
      where stream = $2 and number = $3 and exists (select from outbox_cursor where epoch = $1 for share)`,
    values: [epoch, batch.stream, batch.number, batch.lastId, batch.lastEventId],
  });
  if (rowCount !== 1) throw new DeposedError(epoch);
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
