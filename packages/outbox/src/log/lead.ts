import type { Pool } from 'pg';
import { DeposedError, OutboxInconsistentError } from '../errors.ts';
import type { Range } from './ranges.ts';
import { assertPositionsAreUnique, assertSequenceIsAhead } from './sequence.ts';

/** Keys of the advisory locks, in the space of two integers; those of aggregates are in the space of one. */
export const outboxLocks = { space: 1_869_968_482, leader: 1, asleep: 2 } as const;

/** The channel on which the insert trigger wakes a sleeping publisher; the payload `sweep` asks for a sweep. */
export const wakeupChannel = 'outbox_wakeup';

/** A gap that a former leader left. `xid` is `null` if it was noted in another cluster, where it means nothing. */
export interface StoredGap extends Range {
  readonly xid: number | null;
}

/** Where a new leader begins. */
export interface LeadState {
  readonly epoch: number;
  readonly position: number;
  readonly gaps: readonly StoredGap[];
}

/**
 * Begins a new epoch of the outbox. Call it only while holding the leader's lock. From now on nothing that an
 * earlier leader tries to record is accepted.
 * @throws OutboxInconsistentError the log's sequence is or was behind the cursor, or the outbox has another name.
 */
export async function takeLead(pool: Pool, source: string, leader: string): Promise<LeadState> {
  const { rows } = await pool.query<{ epoch: string; position: string }>(
    `update outbox_cursor set epoch = epoch + 1, leader = $2, led_since = clock_timestamp(), source = coalesce(source, $1)
     where coalesce(source, $1) = $1
     returning epoch::text, position::text`,
    [source, leader],
  );
  const cursor = rows[0];
  if (cursor === undefined) await assertSource(pool, source);
  if (cursor === undefined) {
    throw new OutboxInconsistentError(
      'outbox_cursor has no row: restore it, or run `bus migrate` on an empty database',
    );
  }
  const position = Number(cursor.position);
  await assertSequenceIsAhead(pool);
  await assertPositionsAreUnique(pool, position);
  return { epoch: Number(cursor.epoch), position, gaps: await loadGaps(pool) };
}

/**
 * Checks that the outbox is not published under another name. Also for a publisher that is to stand by: it would
 * otherwise learn of it when it is needed.
 * @throws OutboxInconsistentError it has another name.
 */
export async function assertSource(pool: Pool, source: string): Promise<void> {
  const { rows } = await pool.query<{ source: string | null }>('select source from outbox_cursor');
  const named = rows[0]?.source ?? source;
  if (named === source) return;
  throw new OutboxInconsistentError(
    `this outbox calls itself ${named} and OUTBOX_SOURCE is ${source}: consumers know its events by that name, so set OUTBOX_SOURCE=${named}`,
  );
}

async function loadGaps(pool: Pool): Promise<StoredGap[]> {
  const { rows } = await pool.query<{ first: string; last: string; xid: string | null }>(
    `select g.first::text, g.last::text,
       case when g.system_identifier = (select system_identifier from pg_control_system()) then g.xid::text end as xid
     from outbox_gaps g order by g.first`,
  );
  return rows.map((row) => ({
    first: Number(row.first),
    last: Number(row.last),
    xid: row.xid === null ? null : Number(row.xid),
  }));
}

/**
 * Checks that this leader still leads.
 * @throws DeposedError it does not.
 */
export async function assertLeads(pool: Pool, epoch: number): Promise<void> {
  const { rows } = await pool.query<{ epoch: string }>('select epoch::text from outbox_cursor');
  if (Number(rows[0]?.epoch) !== epoch) throw new DeposedError(epoch);
}
