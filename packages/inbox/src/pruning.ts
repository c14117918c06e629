import type { BusDatabase, WhyKept } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/**
 * Empties a partition of the inbox if all in it was settled before that time and nobody has yet to decide on any of it;
 * `undefined` if it is empty now. Waits for nobody longer than a moment.
 */
export async function emptyInboxPartition(
  db: Kysely<BusDatabase>,
  partition: string,
  settledBefore: Date,
): Promise<WhyKept | undefined> {
  const { rows } = await sql<{ kind: string | null; reason: string | null }>`
    select kind, reason from inbox_empty_partition(${partition}, ${settledBefore}::timestamptz)`.execute(db);
  const { kind, reason } = rows[0] ?? { kind: null, reason: null };
  return kind === null ? undefined : { kind, reason: reason ?? '' };
}

/** What keeps a partition from being emptied, as far as can be told without a lock; `undefined` if nothing does. */
export async function explainInboxPartition(
  db: Kysely<BusDatabase>,
  partition: string,
  settledBefore: Date,
): Promise<WhyKept | undefined> {
  const { rows } = await sql<{ kind: string | null; reason: string | null }>`
    select kind, reason from inbox_explain_partition(${partition}, ${settledBefore}::timestamptz)`.execute(
    db,
  );
  const { kind, reason } = rows[0] ?? { kind: null, reason: null };
  return kind === null ? undefined : { kind, reason: reason ?? '' };
}

/** Deletes such rows of the default partition, at most `most`. Returns how many. */
export async function pruneDefaultInboxPartition(
  db: Kysely<BusDatabase>,
  settledBefore: Date,
  most: number,
): Promise<number> {
  const { rows } = await sql<{ pruned: number }>`
    select inbox_prune_default(${settledBefore}::timestamptz, ${most}) as pruned`.execute(db);
  return rows[0]?.pruned ?? 0;
}

/**
 * Remembers, by source, up to which position groups have settled all that lives in streams they read: what comes again from
 * there is a duplicate, whether the inbox still has it or not. It never goes back. Returns how long ago any of it was raised last, by
 * whomever: in milliseconds by the clock of the database, or infinity.
 */
export async function raiseInboxFloors(
  db: Kysely<BusDatabase>,
  reads: readonly { readonly group: string; readonly stream: string }[],
  positions: ReadonlyMap<string, number>,
): Promise<number> {
  await sql`
    insert into inbox_floors as known (consumer_group, stream, source, position)
    select r.consumer_group, r.stream, s.source, s.position
    from unnest(${reads.map(({ group }) => group)}::text[], ${reads.map(({ stream }) => stream)}::text[])
      r(consumer_group, stream)
    cross join unnest(${[...positions.keys()]}::text[], ${[...positions.values()]}::bigint[]) s(source, position)
    on conflict (consumer_group, stream, source) do update set position = excluded.position, raised_at = clock_timestamp()
    where known.position < excluded.position`.execute(db);
  const { rows } = await sql<{ ago_ms: number | null }>`
    select extract(epoch from clock_timestamp() - max(raised_at))::float8 * 1000 as ago_ms
    from inbox_floors where consumer_group = any(${reads.map(({ group }) => group)}::text[])`.execute(db);
  return rows[0]?.ago_ms ?? Number.POSITIVE_INFINITY;
}

/** Those positions of one group, by stream and source. */
export async function loadInboxFloors(
  db: Kysely<BusDatabase>,
  group: string,
): Promise<Map<string, Map<string, bigint>>> {
  const rows = await db
    .selectFrom('inbox_floors')
    .select(['stream', 'source', 'position'])
    .where('consumer_group', '=', group)
    .execute();
  const floors = new Map<string, Map<string, bigint>>();
  for (const { stream, source, position } of rows) {
    const own = floors.get(stream) ?? new Map<string, bigint>();
    floors.set(stream, own.set(source, BigInt(position)));
  }
  return floors;
}
