import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { LetterState } from './dead-letters/selection.ts';

/** What the inbox may say of an event. */
export type InboxOutcome = 'done' | 'skipped' | 'dead' | 'discarded';

/** What a group's inbox and its dead letters say of an event of live traffic, as of one moment. */
export interface EventAccount {
  /** `null`: not settled, as far as the inbox goes back. */
  readonly outcome: InboxOutcome | null;
  /** `null`: there is no letter. */
  readonly letter: LetterState | null;
}

/** The account of a group on each of these events: one answer per event, in order. Waits for nobody. */
export async function readAccounts(
  db: Kysely<BusDatabase>,
  group: string,
  events: readonly { readonly eventId: string; readonly occurredAt: string }[],
): Promise<EventAccount[]> {
  if (events.length === 0) return [];
  // The limits keep it two looks into an index per event, in the one partition that may hold it.
  const { rows } = await sql<EventAccount>`
    select i.outcome, d.state as letter
    from unnest(
      ${events.map(({ eventId }) => eventId)}::uuid[], ${events.map(({ occurredAt }) => occurredAt)}::timestamptz[]
    ) with ordinality as e(event_id, occurred_at, n)
    left join lateral (
      select outcome from inbox_events
      where consumer_group = ${group} and event_id = e.event_id and replay_id = '' and occurred_at = e.occurred_at
      limit 1
    ) i on true
    left join lateral (
      select state from dead_letters
      where consumer_group = ${group} and event_id = e.event_id and replay_id = '' limit 1
    ) d on true
    order by e.n`.execute(db);
  return rows;
}
