import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** Which actions to list: those that fit all that is given. */
export interface HistoryFilter {
  readonly operator?: string | undefined;
  readonly action?: string | undefined;
  /** Done to the group, or to an event in it. */
  readonly group?: string | undefined;
  readonly eventId?: string | undefined;
  readonly since?: Date | undefined;
  /** Before this. */
  readonly until?: Date | undefined;
}

/** An event that something was done to. */
export interface PastActionEvent {
  readonly group: string;
  readonly eventId: string;
  readonly replayId: string;
  /** What was changed of it; only of the event that was asked for, since it may be personal data. */
  readonly details: Readonly<Record<string, unknown>> | null;
}

/** An action that was done. */
export interface PastAction {
  readonly id: string;
  readonly at: Date;
  readonly operator: string;
  readonly action: string;
  readonly group: string | null;
  readonly reason: string | null;
  /** To how many events it was done. */
  readonly events: number;
  readonly details: Readonly<Record<string, unknown>>;
  /** The first of these events by ID, or the one that was asked for. */
  readonly firstEvents: readonly PastActionEvent[];
}

const shownEvents = 20;

/** What operators did, newest first, at most `limit`. */
export async function loadHistory(
  db: Kysely<BusDatabase>,
  filter: HistoryFilter,
  limit: number,
): Promise<PastAction[]> {
  const { operator, action, group, eventId, since, until } = filter;
  const ofEvents = sql`select from operator_action_events e where e.action_id = a.id`;
  const isAsked = sql`e.event_id = ${eventId ?? null}::uuid`;
  const conditions = [
    operator !== undefined && sql`a.operator = ${operator}`,
    action !== undefined && sql`a.action = ${action}`,
    group !== undefined &&
      sql`(a.consumer_group = ${group} or exists (${ofEvents} and e.consumer_group = ${group}))`,
    eventId !== undefined && sql`(a.details->>'eventId' = ${eventId} or exists (${ofEvents} and ${isAsked}))`,
    since !== undefined && sql`a.at >= ${since}`,
    until !== undefined && sql`a.at < ${until}`,
  ].filter((condition) => condition !== false);
  const { rows } = await sql<PastAction>`
    select a.id::text, a.at, a.operator, a.action, a.consumer_group as "group", a.reason, a.events, a.details, (
      select coalesce(jsonb_agg(f), '[]') from (
        select e.consumer_group as "group", e.event_id as "eventId", e.replay_id as "replayId",
          case when ${isAsked} then e.details end as details
        from operator_action_events e
        where e.action_id = a.id and ${eventId === undefined ? sql`true` : isAsked}
        order by e.consumer_group, e.event_id, e.replay_id limit ${shownEvents}
      ) f
    ) as "firstEvents"
    from operator_actions a
    where ${conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `)}
    order by a.at desc, a.id desc limit ${limit}`.execute(db);
  return rows;
}
