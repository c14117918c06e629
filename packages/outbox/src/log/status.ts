import type { Pool } from 'pg';
import { outboxLocks } from './lead.ts';

/** Rows are counted up to this many, so that a look at an outbox far behind costs no more than at any other. */
export const countLimit = 100_000;

/** A number of rows. `more` means that counting stopped at {@link countLimit}. */
export interface RowCount {
  readonly count: number;
  readonly more: boolean;
}

/** How an outbox stands. */
export interface OutboxOverview {
  /** `null` until a publisher has led it. */
  readonly source: string | null;
  /** Everything up to here is published, parked, or in a gap. */
  readonly position: number;
  /** The last position that was drawn; its transaction may be open, or rolled back. */
  readonly lastPosition: number;
  readonly epoch: number;
  /** Who led last, and since when. */
  readonly leader: string | null;
  readonly ledSince: Date | null;
  /** Whether somebody holds the lead now. */
  readonly isLed: boolean;
  /** Committed and not yet in a stream. */
  readonly pending: RowCount;
  readonly oldestPendingAt: Date | null;
  /** Positions that were passed and are neither parked nor in a gap. Those that were rolled back count with them. */
  readonly publishedAtMost: number;
  readonly parked: RowCount;
  /** Aggregates that are held back by parked events; counted among as many rows as `parked`. */
  readonly parkedAggregates: number;
  readonly gaps: { readonly ranges: number; readonly positions: number; readonly oldestAt: Date | null };
}

// Holding the lead is holding its lock: the name in outbox_cursor outlives its bearer.
const isLedSql = `exists (
  select from pg_locks
  where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and objsubid = 2
    and database = (select oid from pg_database where datname = current_database())
    and classid = ${outboxLocks.space} and objid = ${outboxLocks.leader})`;

/**
 * Looks at an outbox without scanning its log: from the cursor on, into the open gaps, and into the tables of gaps
 * and parked events, each up to {@link countLimit} rows. What was published is told from the cursor.
 */
export async function readOutboxOverview(pool: Pool): Promise<OutboxOverview> {
  // The lateral joins with their own limits keep every look into the log on its index, whatever the statistics say.
  const { rows } = await pool.query<OverviewRow>(
    `with ahead as materialized (
       select e.inserted_at from outbox_events e
       where e.position > (select position from outbox_cursor) order by e.position limit $1 + 1
     ), late as materialized (
       select e.inserted_at from outbox_gaps g
       cross join lateral (
         select o.inserted_at from outbox_events o
         where o.position between g.first and g.last order by o.position limit $1 + 1
       ) e limit $1 + 1
     ), parked as materialized (
       select aggregate_type, aggregate_id from outbox_parked limit $1 + 1
     )
     select c.source, c.position::text, c.epoch::text, c.leader, c.led_since, ${isLedSql} as is_led,
       (select case when is_called then last_value else 0 end::text from outbox_position) as last_position,
       p.pending::int, p.oldest_at as oldest_pending_at,
       (select count(*)::int from parked) as parked,
       (select count(*)::int from (select distinct aggregate_type, aggregate_id from parked) a) as parked_aggregates,
       g.ranges::int, g.positions::text as gap_positions, g.oldest_at as oldest_gap_at
     from outbox_cursor c
     cross join (select count(*) as pending, min(inserted_at) as oldest_at
       from (select * from ahead union all select * from late) both_kinds) p
     cross join (select count(*) as ranges, coalesce(sum(last - first + 1), 0) as positions, min(noted_at) as oldest_at
       from outbox_gaps) g`,
    [countLimit],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('outbox_cursor has no row: restore it');
  const position = Number(row.position);
  const gapPositions = Number(row.gap_positions);
  return {
    source: row.source,
    position,
    lastPosition: Number(row.last_position),
    epoch: Number(row.epoch),
    leader: row.leader,
    ledSince: row.led_since,
    isLed: row.is_led,
    pending: capped(row.pending),
    oldestPendingAt: row.oldest_pending_at,
    publishedAtMost: Math.max(0, position - gapPositions - row.parked),
    parked: capped(row.parked),
    parkedAggregates: row.parked_aggregates,
    gaps: { ranges: row.ranges, positions: gapPositions, oldestAt: row.oldest_gap_at },
  };
}

/** Whether a publisher, or somebody who mends, holds the lead of the outbox now. */
export async function isLed(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ led: boolean }>(`select ${isLedSql} as led`);
  return rows[0]?.led === true;
}

/** The name under which the outbox was published, or `null` if it never was. */
export async function readSource(pool: Pool): Promise<string | null> {
  const { rows } = await pool.query<{ source: string | null }>('select source from outbox_cursor');
  return rows[0]?.source ?? null;
}

/** Where an event stands on its way out of the outbox. */
export interface EventStatus {
  readonly status: 'pending' | 'published' | 'parked';
  /** Why it is parked. */
  readonly reason: string | null;
}

/** The status of one event, or `undefined` if the log does not hold it. */
export async function readEventStatus(pool: Pool, eventId: string): Promise<EventStatus | undefined> {
  const { rows } = await pool.query<EventStatus>(
    'select status, reason from outbox_status where event_id = $1 limit 1',
    [eventId],
  );
  return rows[0];
}

interface OverviewRow {
  source: string | null;
  position: string;
  epoch: string;
  leader: string | null;
  led_since: Date | null;
  is_led: boolean;
  last_position: string;
  pending: number;
  oldest_pending_at: Date | null;
  parked: number;
  parked_aggregates: number;
  ranges: number;
  gap_positions: string;
  oldest_gap_at: Date | null;
}

function capped(count: number): RowCount {
  return { count: Math.min(count, countLimit), more: count > countLimit };
}
