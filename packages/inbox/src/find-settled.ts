import type { BusDatabase } from '@event-bus/database';
import { CompiledQuery, type Kysely } from 'kysely';
import type { InboxKey } from './handled.ts';

// The limit keeps it a look into an index per event, in the one partition that may hold it, however many events and
// partitions there are.
const find = `
  select place::integer as place
  from unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[])
    with ordinality as g(consumer_group, event_id, replay_id, occurred_at, place)
  cross join lateral (
    select from inbox_events i
    where i.consumer_group = g.consumer_group and i.event_id = g.event_id and i.replay_id = g.replay_id
      and i.occurred_at = g.occurred_at
    limit 1
  ) as settled`;

/**
 * Looks up any number of events and tells which of them are settled, with whatever outcome: one answer per key, in
 * order. Waits for nobody: an event that is just being handled is not settled. What is settled stays so.
 */
export async function findSettled(db: Kysely<BusDatabase>, keys: readonly InboxKey[]): Promise<boolean[]> {
  const query = CompiledQuery.raw(find, [
    keys.map(({ group }) => group),
    keys.map(({ eventId }) => eventId),
    keys.map(({ replayId }) => replayId),
    keys.map(({ occurredAt }) => occurredAt),
  ]) as CompiledQuery<{ place: number }>;
  const { rows } = await db.executeQuery(query);
  const places = new Set(rows.map(({ place }) => place));
  return keys.map((_, index) => places.has(index + 1));
}
