import type { BusDatabase } from '@event-bus/database';
import { sql, type Transaction } from 'kysely';
import type { InboxRow } from '../handled.ts';

/**
 * Turns dead events that are being redriven into done ones, in the transaction that will hold their effects, and
 * tells which it did: one answer per row, in order. `false` means that the event is settled some other way, or that
 * nobody asked for its redrive. Waits for a transaction in which the same redrive is just being handled.
 */
export async function reviveDead(
  trx: Transaction<BusDatabase>,
  rows: readonly InboxRow[],
): Promise<boolean[]> {
  const { rows: revived } = await sql<{ index: number }>`
    with given as (
      select * from unnest(
        ${rows.map((row) => row.group)}::text[], ${rows.map((row) => row.eventId)}::uuid[],
        ${rows.map((row) => row.replayId)}::text[], ${rows.map((row) => row.occurredAt)}::timestamptz[],
        ${rows.map((row) => row.stream)}::text[], ${rows.map((row) => row.streamId)}::text[],
        ${rows.map((row) => row.attempt)}::integer[]
      ) with ordinality as g(consumer_group, event_id, replay_id, occurred_at, stream, stream_id, attempt, n)
    ), letters as (
      update dead_letters d set state = 'done', resolved_at = clock_timestamp()
      from given g
      where d.consumer_group = g.consumer_group and d.event_id = g.event_id and d.replay_id = g.replay_id
        and d.state = 'redriving'
      returning g.*
    ), handled as (
      update inbox_events i set outcome = 'done', reason = null, processed_at = clock_timestamp(),
        stream = l.stream, stream_id = l.stream_id, attempt = l.attempt
      from letters l
      where i.consumer_group = l.consumer_group and i.event_id = l.event_id and i.replay_id = l.replay_id
        and i.occurred_at = l.occurred_at and i.outcome = 'dead'
      returning l.n
    )
    select (n - 1)::integer as index from handled`.execute(trx);
  const alive = new Set(revived.map(({ index }) => index));
  return rows.map((_, index) => alive.has(index));
}
