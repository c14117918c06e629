import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { InboxKey } from './handled.ts';
import { explained } from './refusal.ts';

/**
 * Which of these events the inbox has settled, in whatever way: one answer per key, in order.
 * @throws UnrecordableEventError PostgreSQL cannot hold one of the values.
 */
export async function areSettled(
  db: Kysely<BusDatabase>,
  keys: readonly InboxKey[],
): Promise<readonly boolean[]> {
  if (keys.length === 0) return [];
  const found = sql<{ is_settled: boolean }>`
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
  const { rows } = await explained(found, () =>
    keys.flatMap(({ replayId, occurredAt }) => [
      { field: 'replay_id', text: replayId },
      { field: 'occurred_at', text: occurredAt },
    ]),
  );
  return rows.map((row) => row.is_settled);
}
