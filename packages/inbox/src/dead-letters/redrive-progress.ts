import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { LetterKey } from './redriving.ts';
import { inOrder, inStates, type LetterState } from './selection.ts';

/** How many letters of an action are in which state now. */
export type RedriveProgress = Readonly<Record<LetterState, number>>;

const ofAction = (actionId: string) => sql`operator_action_events e
  join dead_letters d on d.consumer_group = e.consumer_group and d.event_id = e.event_id and d.replay_id = e.replay_id
  where e.action_id = ${actionId}::bigint`;

/** Looks how the letters of an action stand. */
export async function readProgress(db: Kysely<BusDatabase>, actionId: string): Promise<RedriveProgress> {
  const { rows } = await sql<{ state: LetterState; letters: number }>`
    select d.state, count(*)::integer as letters from ${ofAction(actionId)} group by d.state`.execute(db);
  const count = (state: LetterState) => rows.find((row) => row.state === state)?.letters ?? 0;
  return {
    dead: count('dead'),
    redriving: count('redriving'),
    done: count('done'),
    discarded: count('discarded'),
  };
}

/** A letter of an action, and why it is dead. */
export interface FailedRedrive extends LetterKey {
  readonly eventType: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly redrives: number;
  readonly reason: string;
  readonly error: string;
}

/** Letters of an action that are dead again, in the order of their events, at most `limit`. */
export async function readFailed(
  db: Kysely<BusDatabase>,
  actionId: string,
  limit: number,
): Promise<FailedRedrive[]> {
  const { rows } = await sql<FailedRedrive>`
    select d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId",
      d.event_type as "eventType", d.aggregate_type as "aggregateType", d.aggregate_id as "aggregateId",
      d.redrives, d.reason, d.error
    from ${ofAction(actionId)} and ${inStates(['dead'])} order by ${inOrder} limit ${limit}`.execute(db);
  return rows;
}

/** The groups of those letters of an action that are still being redriven. */
export async function readWaitingGroups(db: Kysely<BusDatabase>, actionId: string): Promise<string[]> {
  const { rows } = await sql<{ group: string }>`
    select distinct d.consumer_group as "group" from ${ofAction(actionId)} and ${inStates(['redriving'])}
    order by 1`.execute(db);
  return rows.map(({ group }) => group);
}
