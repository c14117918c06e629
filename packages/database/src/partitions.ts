import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/**
 * Makes the daily partitions of an event table from today to `daysAhead`, without blocking its writers, whatever stands
 * in the default partition; what cannot be had at once is left for the next call. Returns how many were made.
 */
export async function ensurePartitions(
  db: Kysely<BusDatabase>,
  log: 'outbox' | 'inbox',
  daysAhead = 3,
): Promise<number> {
  const table = `${log}_events`;
  const attach = () => count(db, sql`bus_ensure_partitions(${table}, ${daysAhead})`);
  const made = await attach();
  const guarded = await count(db, sql`bus_guard_partitions(${table}, ${daysAhead})`);
  if (guarded === 0) return made;
  await sql`select bus_validate_guards(${table})`.execute(db);
  return made + (await attach());
}

async function count(db: Kysely<BusDatabase>, call: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ count: number }>`select ${call} as count`.execute(db);
  return rows[0]?.count ?? 0;
}
