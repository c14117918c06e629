import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/** A group whose inbox is in a database, as those who give its entries up have to know it. */
export interface InboxGroup {
  readonly group: string;
  /** Whether later events of an aggregate go on after a dead letter, or wait behind it. */
  readonly onDeadLetter: 'continue' | 'hold';
  /** An entry that was handed out so often has outlived its processes. */
  readonly maxDeliveries: number;
  /** After so long without a sign of life the holder of an entry is taken for dead. */
  readonly claimIdleMs: number;
}

/** Makes a group known to its inbox's database, or renews what is known. */
export async function registerInboxGroup(db: Kysely<BusDatabase>, group: InboxGroup): Promise<void> {
  await sql`
    insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
    values (${group.group}, ${group.onDeadLetter}, ${group.maxDeliveries}, ${group.claimIdleMs})
    on conflict (consumer_group) do update set on_dead_letter = excluded.on_dead_letter,
      max_deliveries = excluded.max_deliveries, claim_idle_ms = excluded.claim_idle_ms, seen_at = clock_timestamp()`.execute(
    db,
  );
}

/** All groups whose inbox is, or ever was, in this database. */
export async function loadInboxGroups(db: Kysely<BusDatabase>): Promise<InboxGroup[]> {
  const rows = await db.selectFrom('inbox_groups').selectAll().orderBy('consumer_group').execute();
  return rows.map((row) => ({
    group: row.consumer_group,
    onDeadLetter: row.on_dead_letter,
    maxDeliveries: row.max_deliveries,
    claimIdleMs: row.claim_idle_ms,
  }));
}
