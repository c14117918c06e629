import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/** How an event ended in a group. */
export interface EventOutcome {
  readonly group: string;
  /** Empty for live traffic. */
  readonly replayId: string;
  readonly occurredAt: Date;
  readonly outcome: 'done' | 'skipped' | 'dead' | 'discarded';
  readonly reason: string | null;
  readonly stream: string;
  readonly streamId: string;
  readonly attempt: number;
  readonly processedAt: Date;
}

/**
 * How an event ended in these groups, as far as it did, and in each replay. `occurredAt`, as the database wrote it, keeps
 * the look to the one partition that may hold it.
 */
export async function findOutcomes(
  db: Kysely<BusDatabase>,
  of: { readonly groups: readonly string[]; readonly eventId: string; readonly occurredAt?: Date },
): Promise<EventOutcome[]> {
  // A date holds milliseconds, the column microseconds.
  const since = of.occurredAt ?? null;
  const { rows } = await sql<EventOutcome>`
    select consumer_group as "group", replay_id as "replayId", occurred_at as "occurredAt", outcome, reason, stream, stream_id as "streamId",
      attempt, processed_at as "processedAt"
    from inbox_events
    where consumer_group = any(${[...of.groups]}::text[]) and event_id = ${of.eventId}::uuid
      and occurred_at >= coalesce(${since}::timestamptz, '-infinity')
      and occurred_at < coalesce(${since}::timestamptz + interval '1 ms', 'infinity')
    order by processed_at, consumer_group, replay_id`.execute(db);
  return rows;
}
