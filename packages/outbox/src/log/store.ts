import type { Pool } from 'pg';
import { DeposedError } from '../errors.ts';
import { type Range, toMultirange } from './ranges.ts';

/** A batch's part for one stream, as it was written. */
export interface WrittenPart {
  readonly stream: string;
  readonly number: number;
  readonly positions: readonly Range[];
  readonly events: number;
  readonly lastId: string;
  readonly lastEventId: string;
}

/** An event that could not be written, or waits behind one of its aggregate. */
export interface ParkedEvent {
  readonly position: number;
  readonly eventId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly reason: string;
  /** The event of the same aggregate that it waits for; `null` if it is itself what cannot be written. */
  readonly behind: string | null;
}

/** Everything that changes when a batch is through. */
export interface Progress {
  /** Everything up to here is written, parked, or a noted gap. Never moves back. */
  readonly position: number;
  readonly written: readonly WrittenPart[];
  /** Positions found missing. */
  readonly noted: readonly Range[];
  /** Positions that are gaps no longer: filled and written, or never to be filled. */
  readonly closed: readonly Range[];
  readonly parked: readonly ParkedEvent[];
  /** Positions that were parked and now are written. */
  readonly unparked: readonly number[];
}

/**
 * Records the progress of a leader, whole or not at all, and returns the transaction ID that the noted gaps now
 * carry: it is younger than any transaction that can still fill them.
 * @throws DeposedError another leader has taken over; nothing was recorded.
 */
export async function recordProgress(pool: Pool, epoch: number, progress: Progress): Promise<number> {
  const { written, parked } = progress;
  const { rows } = await pool.query<{ xid: string }>({
    name: 'outbox_progress',
    text: `
      with lead as (
        update outbox_cursor set position = greatest(position, $2) where epoch = $1 returning pg_current_xact_id() as xid
      ), batches as (
        insert into outbox_batches (stream, number, positions, events, last_id, last_event_id)
        select b.* from lead, unnest($3::text[], $4::bigint[], $5::text[]::int8multirange[], $6::integer[], $7::text[], $8::uuid[]) b
      ), shrunk as (
        delete from outbox_gaps g using lead
        where int8range(g.first, g.last, '[]') && $10::int8multirange
        returning g.*
      ), gaps as (
        insert into outbox_gaps (first, last, xid, system_identifier, noted_at)
        select lower(r), upper(r) - 1, s.xid, s.system_identifier, s.noted_at
        from shrunk s, unnest(int8multirange(int8range(s.first, s.last, '[]')) - $10::int8multirange) r
        union all
        select lower(r), upper(r) - 1, lead.xid, (select system_identifier from pg_control_system()), clock_timestamp()
        from lead, unnest($9::int8multirange) r
      ), unparked as (
        delete from outbox_parked p using lead where p.position = any($11::bigint[])
      ), parked as (
        insert into outbox_parked (position, event_id, aggregate_type, aggregate_id, reason, behind, retry_requested_at)
        select p.*, (
          select max(other.retry_requested_at) from outbox_parked other
          where p.behind is not null and other.aggregate_type = p.aggregate_type and other.aggregate_id = p.aggregate_id)
        from lead, unnest($12::bigint[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::uuid[])
          p(position, event_id, aggregate_type, aggregate_id, reason, behind)
        on conflict (position) do update
          set reason = excluded.reason, behind = excluded.behind, retry_requested_at = null
      )
      select xid::text from lead`,
    values: [
      epoch,
      progress.position,
      written.map((part) => part.stream),
      written.map((part) => part.number),
      written.map((part) => toMultirange(part.positions)),
      written.map((part) => part.events),
      written.map((part) => part.lastId),
      written.map((part) => part.lastEventId),
      toMultirange(progress.noted),
      toMultirange(progress.closed),
      progress.unparked,
      parked.map((event) => event.position),
      parked.map((event) => event.eventId),
      parked.map((event) => event.aggregateType),
      parked.map((event) => event.aggregateId),
      parked.map((event) => event.reason),
      parked.map((event) => event.behind),
    ],
  });
  const xid = rows[0]?.xid;
  if (xid === undefined) throw new DeposedError(epoch);
  return Number(xid);
}
