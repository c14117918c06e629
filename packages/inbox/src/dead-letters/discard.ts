import { type BusDatabase, recordActionEvents } from '@event-bus/database';
import { type Kysely, sql, type Transaction } from 'kysely';
import { entryEventId } from './open-letters.ts';
import type { LetterRecord } from './record.ts';
import type { LetterKey } from './redriving.ts';
import { inOrder, inStates } from './selection.ts';

/** A letter that was settled, and its copy in Redis, if it has one. */
export interface SettledLetter extends LetterKey {
  readonly stream: string;
  /** The event ID that its entry carries; empty where it carries none. */
  readonly entryEventId: string;
  readonly dlqId: string | null;
}

/**
 * Settles dead letters as discarded, together with their events in the inbox, and records that under an action. Only
 * those that are still as they were read: a letter that was redriven, or died again, since then is left alone. Returns
 * those it settled.
 */
export async function discardLetters(
  trx: Transaction<BusDatabase>,
  letters: readonly Pick<LetterRecord, 'group' | 'eventId' | 'replayId' | 'deadAt'>[],
  { actionId, reason }: { readonly actionId: string; readonly reason: string },
): Promise<SettledLetter[]> {
  const { rows } = await sql<SettledLetter>`
    with chosen as (
      select d.consumer_group, d.event_id, d.replay_id, d.occurred_at
      from unnest(
        ${letters.map(({ group }) => group)}::text[], ${letters.map(({ eventId }) => eventId)}::uuid[],
        ${letters.map(({ replayId }) => replayId)}::text[], ${letters.map(({ deadAt }) => deadAt)}::timestamptz[]
      ) as g(consumer_group, event_id, replay_id, dead_at)
      join dead_letters d on d.consumer_group = g.consumer_group and d.event_id = g.event_id
        and d.replay_id = g.replay_id and d.dead_at = g.dead_at
      where ${inStates(['dead'])}
      -- Whoever has one of them in hand is doing something about it.
      order by ${inOrder} for update of d skip locked
    ), settled as (
      update inbox_events i set outcome = 'discarded', reason = ${reason}, processed_at = clock_timestamp()
      from chosen c
      where i.consumer_group = c.consumer_group and i.event_id = c.event_id and i.replay_id = c.replay_id
        and i.occurred_at = c.occurred_at and i.outcome = 'dead'
      returning c.consumer_group, c.event_id, c.replay_id
    )
    update dead_letters d set state = 'discarded', resolved_at = clock_timestamp()
    from settled s
    where d.consumer_group = s.consumer_group and d.event_id = s.event_id and d.replay_id = s.replay_id
    returning d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId", d.stream,
      ${entryEventId} as "entryEventId", d.dlq_id as "dlqId"`.execute(trx);
  await recordActionEvents(trx, actionId, rows);
  return rows;
}

/** Notes that the copies of settled letters in Redis are gone. */
export async function noteForgotten(
  db: Kysely<BusDatabase>,
  letters: readonly SettledLetter[],
): Promise<void> {
  if (letters.length === 0) return;
  await sql`
    update dead_letters d set dlq_id = null
    from unnest(
      ${letters.map(({ group }) => group)}::text[], ${letters.map(({ eventId }) => eventId)}::uuid[],
      ${letters.map(({ replayId }) => replayId)}::text[], ${letters.map(({ dlqId }) => dlqId)}::text[]
    ) as g(consumer_group, event_id, replay_id, dlq_id)
    where d.consumer_group = g.consumer_group and d.event_id = g.event_id and d.replay_id = g.replay_id
      and d.dlq_id = g.dlq_id`.execute(db);
}

/** Discarded letters whose copies in Redis are not known to be gone: somebody was killed in between. At most `limit`. */
export async function loadUnforgotten(db: Kysely<BusDatabase>, limit: number): Promise<SettledLetter[]> {
  const { rows } = await sql<SettledLetter>`
    select d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId", d.stream,
      ${entryEventId} as "entryEventId", d.dlq_id as "dlqId"
    from dead_letters d where ${inStates(['discarded'])} and d.dlq_id is not null
    order by ${inOrder} limit ${limit}`.execute(db);
  return rows;
}
