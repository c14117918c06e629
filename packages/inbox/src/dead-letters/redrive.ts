import { type BusDatabase, recordActionEvents } from '@event-bus/database';
import { sql, type Transaction } from 'kysely';
import { iso } from './record.ts';
import type { RedrivingLetter } from './redriving.ts';
import { byCutOff, type FrozenSelection, fits, inOrder, inStates, waitsBehind } from './selection.ts';

/**
 * Makes dead letters of a frozen selection ones that are being redriven: the first `limit` in the order of their events,
 * of those that do not wait behind others. Records that they were, under an action. Returns them in order.
 */
export async function markRedriving(
  trx: Transaction<BusDatabase>,
  { selection, cutOff }: FrozenSelection,
  { limit, actionId }: { readonly limit: number; readonly actionId: string },
): Promise<RedrivingLetter[]> {
  const { rows } = await sql<RedrivingLetter>`
    with chosen as (
      select d.consumer_group, d.event_id, d.replay_id, row_number() over (order by ${inOrder}) as n
      from (
        select d.* from dead_letters d
        where ${fits(selection)} and ${inStates(['dead'])} and ${byCutOff(cutOff)} and not ${waitsBehind}
        order by ${inOrder} limit ${limit} for update of d
      ) d
    ), marked as (
      update dead_letters d
      set state = 'redriving', redrives = d.redrives + 1, redriven_at = clock_timestamp(), inject_id = null
      from chosen c
      where d.consumer_group = c.consumer_group and d.event_id = c.event_id and d.replay_id = c.replay_id
      returning c.n, d.*
    )
    select d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId",
      ${iso('occurred_at')} as "occurredAt", d.stream, d.fields,
      d.dlq_id as "dlqId"
    from marked d order by d.n`.execute(trx);
  await recordActionEvents(trx, actionId, rows);
  return rows;
}

/**
 * Records those of a frozen selection that are being redriven already under an action too, at most `limit` that are not
 * yet, so that it can follow them. Returns how many.
 */
export async function adoptRedriving(
  trx: Transaction<BusDatabase>,
  { selection, cutOff }: FrozenSelection,
  { limit, actionId }: { readonly limit: number; readonly actionId: string },
): Promise<number> {
  const { rows } = await sql<{ letters: number }>`
    with adopted as (
      insert into operator_action_events (action_id, consumer_group, event_id, replay_id, details)
      select ${actionId}::bigint, d.consumer_group, d.event_id, d.replay_id, '{"underWay": true}'
      from dead_letters d
      where ${fits(selection)} and ${inStates(['redriving'])} and ${byCutOff(cutOff)} and not exists (
        select from operator_action_events e
        where e.action_id = ${actionId}::bigint and e.consumer_group = d.consumer_group and e.event_id = d.event_id
          and e.replay_id = d.replay_id)
      order by ${inOrder} limit ${limit}
      returning true
    ), counted as (
      update operator_actions set events = events + (select count(*) from adopted) where id = ${actionId}::bigint
    )
    select count(*)::integer as letters from adopted`.execute(trx);
  return rows[0]?.letters ?? 0;
}
