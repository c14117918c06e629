import { type Kysely, sql } from 'kysely';
import pg from 'pg';
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

const lockNotAvailable = '55P03';

async function count(db: Kysely<BusDatabase>, call: ReturnType<typeof sql>): Promise<number> {
  try {
    const { rows } = await sql<{ count: number }>`select ${call} as count`.execute(db);
    return rows[0]?.count ?? 0;
  } catch (error) {
    // Another maker is at it for longer than anybody waits.
    if (error instanceof pg.DatabaseError && error.code === lockNotAvailable) return 0;
    throw error;
  }
}

/** A daily partition. The default one is never among them. */
export interface Partition {
  readonly name: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

/** What keeps a partition from being dropped. */
export interface WhyKept {
  /** One of few words, for metrics. */
  readonly kind: string;
  /** A sentence for people, naming event, group or stream. */
  readonly reason: string;
}

/** The partitions of an event table, oldest first. */
export async function listPartitions(db: Kysely<BusDatabase>, log: 'outbox' | 'inbox'): Promise<Partition[]> {
  const { rows } = await sql<Partition>`
    select partition as name, starts_at as "startsAt", ends_at as "endsAt"
    from bus_partitions(${`${log}_events`})`.execute(db);
  return rows;
}

/**
 * Drops an empty partition without keeping anybody waiting for longer than a moment; `undefined` if it is gone. Otherwise
 * what is in the way: the next call may succeed.
 */
export async function dropEmptyPartition(
  db: Kysely<BusDatabase>,
  log: 'outbox' | 'inbox',
  name: string,
): Promise<WhyKept | undefined> {
  const { rows } = await sql<{ reason: string | null }>`
    select bus_drop_empty_partition(${`${log}_events`}, ${name}) as reason`.execute(db);
  const reason = rows[0]?.reason ?? null;
  return reason === null ? undefined : { kind: 'lock', reason };
}

/** Waits for the drop of one partition. What PostgreSQL refuses is a reason to keep it: it holds up no other. */
export async function unlessRefused(dropping: Promise<WhyKept | undefined>): Promise<WhyKept | undefined> {
  try {
    return await dropping;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const reason = `PostgreSQL refuses to empty or drop it: ${error.message}: runbook BusPruneBlocked`;
    return { kind: 'failed', reason };
  }
}
