import { type BusDatabase, ensurePartitions } from '@event-bus/database';
import type { Kysely } from 'kysely';

/** Makes the inbox's partitions for today and the days ahead, without blocking its writers. Returns how many were made. */
export function ensureInboxPartitions(db: Kysely<BusDatabase>, daysAhead?: number): Promise<number> {
  return ensurePartitions(db, 'inbox', daysAhead);
}
