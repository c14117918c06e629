import { type RawBuilder, sql } from 'kysely';

/** What a letter may be; the migration says what the states mean. */
export type LetterState = 'dead' | 'redriving' | 'done' | 'discarded';

/** Which letters: those that fit all that is given. */
export interface LetterSelection {
  readonly group?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly eventType?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly aggregate?: { readonly type: string; readonly id: string } | undefined;
  /** Stands somewhere in the error or the reason, in whatever case. */
  readonly error?: string | undefined;
  /** Given up at or after this. */
  readonly since?: Date | undefined;
  /** Given up before this. */
  readonly until?: Date | undefined;
  /** One of these events. */
  readonly eventIds?: readonly string[] | undefined;
}

/** A selection as it was at one moment: letters that were given up later, or again, are not among it. */
export interface FrozenSelection {
  readonly selection: LetterSelection;
  /** By the clock of the database, as text, which is exact. */
  readonly cutOff: string;
}

/** The condition on dead_letters `d` that a selection states. */
export function fits(selection: LetterSelection): RawBuilder<boolean> {
  const { group, fingerprint, eventType, tenantId, aggregate, error, since, until, eventIds } = selection;
  const conditions = [
    group !== undefined && sql`d.consumer_group = ${group}`,
    fingerprint !== undefined && sql`d.fingerprint = ${fingerprint}`,
    eventType !== undefined && sql`d.event_type = ${eventType}`,
    tenantId !== undefined && sql`d.tenant_id = ${tenantId}`,
    aggregate !== undefined &&
      sql`(d.aggregate_type = ${aggregate.type} and d.aggregate_id = ${aggregate.id})`,
    error !== undefined &&
      sql`(strpos(lower(d.error), lower(${error})) > 0 or strpos(lower(d.reason), lower(${error})) > 0)`,
    since !== undefined && sql`d.dead_at >= ${since}`,
    until !== undefined && sql`d.dead_at < ${until}`,
    eventIds !== undefined && sql`d.event_id = any(${[...eventIds]}::uuid[])`,
  ].filter((condition) => condition !== false);
  return conditions.length === 0 ? sql`true` : sql`(${sql.join(conditions, sql` and `)})`;
}

/** The condition on `d` to have been given up by then. */
export function byCutOff(cutOff: string): RawBuilder<boolean> {
  return sql`d.dead_at <= ${cutOff}::timestamptz`;
}

/** The condition on `d` to be in one of these states, in a form that partial indexes are found by. */
export function inStates(states: readonly LetterState[]): RawBuilder<boolean> {
  return sql`d.state in (${sql.join(states.map((state) => sql.lit(state)))})`;
}

/** The order of the events, over all groups. */
export const inOrder = sql`d.consumer_group, coalesce(d.position, 0), d.event_id, d.replay_id`;

/**
 * The condition on `d` to have an earlier open letter of its aggregate before it, in a group that holds: handled now,
 * it would only be held back again. Ordered, so that the index of aggregates is the one to look into.
 */
export const waitsBehind: RawBuilder<boolean> = sql`(
  d.consumer_group in (select consumer_group from inbox_groups where on_dead_letter = 'hold')
  and coalesce(d.position > (
    select earlier.position from dead_letters earlier
    where earlier.consumer_group = d.consumer_group and earlier.aggregate_type = d.aggregate_type
      and earlier.aggregate_id = d.aggregate_id and earlier.state in ('dead', 'redriving')
    order by earlier.position limit 1
  ), false))`;
