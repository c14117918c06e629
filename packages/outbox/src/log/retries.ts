import type { Pool, PoolClient } from 'pg';
import { wakeupChannel } from './lead.ts';
import { isToBeTried } from './parked.ts';

/** An aggregate that is held back: the event that cannot be written, and what waits behind it. */
export interface HeldBackAggregate {
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly eventId: string;
  readonly position: number;
  /** `null` if the event's partition is gone from the log. */
  readonly eventType: string | null;
  readonly tenantId: string | null;
  readonly reason: string;
  readonly parkedAt: Date;
  /** When somebody asked for a retry that no publisher has taken up yet. */
  readonly retryRequestedAt: Date | null;
  /** How many later events of the aggregate wait. */
  readonly waiting: number;
  /** The first of those. */
  readonly waitingEventIds: readonly string[];
}

const waitingShown = 20;

/** The aggregates that are held back, in the order in which their first event was appended, at most `limit`. */
export async function readHeldBack(pool: Pool, limit: number): Promise<HeldBackAggregate[]> {
  const { rows } = await pool.query<HeldBackRow>(
    `with firsts as (
       select distinct on (aggregate_type, aggregate_id) * from outbox_parked
       order by aggregate_type, aggregate_id, position
     )
     select p.aggregate_type, p.aggregate_id, p.event_id::text, p.position::text, e.event_type, e.tenant_id,
       p.reason, p.parked_at, p.retry_requested_at, w.waiting::int, w.event_ids
     from (select * from firsts order by position limit $1) p
     left join lateral (
       select event_type, tenant_id from outbox_events where position = p.position limit 1
     ) e on true
     cross join lateral (
       select count(*) as waiting, coalesce((array_agg(event_id::text order by position))[1:${waitingShown}], '{}') as event_ids
       from outbox_parked
       where aggregate_type = p.aggregate_type and aggregate_id = p.aggregate_id and position > p.position
     ) w
     order by p.position`,
    [limit],
  );
  return rows.map((row) => ({
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    eventId: row.event_id,
    position: Number(row.position),
    eventType: row.event_type,
    tenantId: row.tenant_id,
    reason: row.reason,
    parkedAt: row.parked_at,
    retryRequestedAt: row.retry_requested_at,
    waiting: row.waiting,
    waitingEventIds: row.event_ids,
  }));
}

/** Whether this event, or any at all, is parked. */
export async function isParked(pool: Pool, which: { readonly eventId: string } | 'all'): Promise<boolean> {
  const { rowCount } = await pool.query(
    'select from outbox_parked where $1::uuid is null or event_id = $1 limit 1',
    [which === 'all' ? null : which.eventId],
  );
  return rowCount === 1;
}

/**
 * Asks the publisher to try parked events again, and wakes it: all of the aggregate that `eventId` belongs to, since
 * they only go in order, or all there are. Returns their positions; none if the event is not parked.
 */
export async function requestRetry(
  pool: Pool,
  which: { readonly eventId: string } | 'all',
): Promise<number[]> {
  return inTransaction(pool, async (client) => {
    // An event that the publisher is just parking behind these would stay without a request.
    await client.query(`set local lock_timeout = '5s'`);
    await client.query('lock table outbox_parked in share row exclusive mode');
    const { rows } = await client.query<{ position: string }>(
      `update outbox_parked set retry_requested_at = clock_timestamp()
       where $1::uuid is null or (aggregate_type, aggregate_id) in (
         select aggregate_type, aggregate_id from outbox_parked where event_id = $1)
       returning position::text`,
      [which === 'all' ? null : which.eventId],
    );
    await client.query('select pg_notify($1, $2)', [wakeupChannel, '']);
    return rows.map((row) => Number(row.position)).sort((a, b) => a - b);
  });
}

/** What became of events that were asked to be tried again. */
export interface RetryProgress {
  /** Not taken up yet. */
  readonly requested: number;
  /** Parked again, or behind one that is. */
  readonly parked: number;
  /** Why the first of those is. */
  readonly reason: string | null;
}

/** Looks at what became of the events at these positions; those it does not count are parked no longer. */
export async function readRetryProgress(pool: Pool, positions: readonly number[]): Promise<RetryProgress> {
  const { rows } = await pool.query<{ requested: number; parked: number; reason: string | null }>(
    `select
       (count(*) filter (where r.to_be_tried))::int as requested,
       (count(*) filter (where not r.to_be_tried))::int as parked,
       (array_agg(r.reason order by r.position) filter (where not r.to_be_tried))[1] as reason
     from (
       select p.position, p.reason, ${isToBeTried} as to_be_tried
       from outbox_parked p where p.position = any($1::bigint[])
     ) r`,
    [positions],
  );
  return rows[0] ?? { requested: 0, parked: 0, reason: null };
}

/** How many of the events at these positions are neither parked nor in the log. */
export async function countGone(pool: Pool, positions: readonly number[]): Promise<number> {
  const { rows } = await pool.query<{ gone: number }>(
    `select count(*)::int as gone from unnest($1::bigint[]) p(position)
     where not exists (select from outbox_parked where position = p.position)
       and not exists (select from outbox_events where position = p.position)`,
    [positions],
  );
  return rows[0]?.gone ?? 0;
}

/** Asks the publisher that leads to check all streams at once. Nobody hears it if none leads. */
export async function requestSweep(pool: Pool): Promise<void> {
  await pool.query('select pg_notify($1, $2)', [wakeupChannel, 'sweep']);
}

interface HeldBackRow {
  aggregate_type: string;
  aggregate_id: string;
  event_id: string;
  position: string;
  event_type: string | null;
  tenant_id: string | null;
  reason: string;
  parked_at: Date;
  retry_requested_at: Date | null;
  waiting: number;
  event_ids: string[];
}

async function inTransaction<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    // Released with an error, the connection is closed, which rolls back.
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(broken);
  }
}
