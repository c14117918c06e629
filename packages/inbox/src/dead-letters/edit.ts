import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { LetterRecord } from './record.ts';
import { inStates } from './selection.ts';

/**
 * Replaces the payload of the entry of a dead letter, which is what a redrive injects. `false` if the letter is no longer
 * as it was read. All other fields, and their order, stay.
 */
export async function replacePayload(
  trx: Transaction<BusDatabase>,
  { group, eventId, replayId, deadAt, fields }: LetterRecord,
  payload: string,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update dead_letters d set fields = ${JSON.stringify({ ...fields, payload })}::json
    where d.consumer_group = ${group} and d.event_id = ${eventId}::uuid and d.replay_id = ${replayId}
      and ${inStates(['dead'])} and d.dead_at = ${deadAt}::timestamptz`.execute(trx);
  return numAffectedRows === 1n;
}

/** A payload that was replaced by an operator. */
export interface LetterEdit {
  readonly group: string;
  readonly replayId: string;
  readonly at: Date;
  readonly operator: string;
  readonly reason: string | null;
  readonly payload: { readonly before: string; readonly after: string };
}

/** How the payload of an event was replaced, in all groups, the oldest change first. */
export async function findEdits(db: Kysely<BusDatabase>, eventId: string): Promise<LetterEdit[]> {
  const { rows } = await sql<LetterEdit>`
    select e.consumer_group as "group", e.replay_id as "replayId", a.at, a.operator, a.reason,
      e.details->'payload' as payload
    from operator_action_events e join operator_actions a on a.id = e.action_id
    where e.event_id = ${eventId}::uuid and e.details ? 'payload'
    order by a.at, a.id`.execute(db);
  return rows;
}
