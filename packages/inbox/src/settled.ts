import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { InboxKey } from './handled.ts';

/** Whether the inbox has settled an event, in whatever way. */
export async function isSettled(db: Kysely<BusDatabase>, key: InboxKey): Promise<boolean> {
  const { rows } = await sql`
    select from inbox_events
    where consumer_group = ${key.group} and event_id = ${key.eventId}::uuid and replay_id = ${key.replayId}
      and occurred_at = ${key.occurredAt}::timestamptz`.execute(db);
  return rows.length > 0;
}
