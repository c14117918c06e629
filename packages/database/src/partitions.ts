import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/**
 * Makes the daily partitions of an event table from today to `daysAhead`, without blocking its writers; what
 * cannot be had at once is left for the next call. Returns how many were made.
 */
export async function ensurePartitions(
  db: Kysely<BusDatabase>,
  log: 'outbox' | 'inbox',
  daysAhead = 3,
): Promise<number> {
  const { rows } = await sql<{
    made: number;
  }>`select bus_ensure_partitions(${`${log}_events`}, ${daysAhead}) as made`.execute(db);
  return rows[0]?.made ?? 0;
}
