import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { InboxKey } from './handled.ts';

/** Which of these events the inbox has settled, in whatever way: one answer per key, in order. */
export async function areSettled(
  db: Kysely<BusDatabase>,
  keys: readonly InboxKey[],
): Promise<readonly boolean[]> {
  if (keys.length === 0) return [];
  const { rows } = await sql<{ is_settled: boolean }>`
    select exists (
      select from inbox_events i
      where i.consumer_group = g.consumer_group and i.event_id = g.event_id and i.replay_id = g.replay_id
        and i.occurred_at = g.occurred_at
    ) as is_settled
    from unnest(
      ${keys.map((key) => key.group)}::text[], ${keys.map((key) => key.eventId)}::uuid[],
      ${keys.map((key) => key.replayId)}::text[], ${keys.map((key) => key.occurredAt)}::timestamptz[]
    ) with ordinality as g(consumer_group, event_id, replay_id, occurred_at, n)
    order by g.n`.execute(db);
  return rows.map((row) => row.is_settled);
}
