import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** What the log of an outbox no longer has, and never will again. */
export interface OutboxFloor {
  readonly source: string;
  /** Everything up to this position. */
  readonly position: number;
  /** All that was inserted before. */
  readonly insertedAt: Date;
}

/**
 * Tells the whole bus what an outbox no longer has. It is remembered since when, about once an hour, for a year: entries
 * that were written later than that are of later events.
 */
export async function recordOutboxFloor(db: Kysely<BusDatabase>, floor: OutboxFloor): Promise<void> {
  const { source, position, insertedAt } = floor;
  await sql`
    with forgotten as (
      delete from outbox_floors f
      where f.source = ${source} and f.since < clock_timestamp() - interval '1 year'
        and exists (select from outbox_floors later where later.source = f.source and later.since > f.since)
    )
    insert into outbox_floors (source, position, inserted_at)
    select ${source}, ${position}::bigint, ${insertedAt}::timestamptz
    where not exists (
      select from outbox_floors
      where source = ${source} and inserted_at > ${insertedAt}::timestamptz - interval '1 hour')`.execute(db);
}

/**
 * What each outbox that ever registered its window lacked by a time, by the clock of the database; `undefined` where
 * nothing is known to be gone by then.
 */
export async function loadOutboxFloors(
  db: Kysely<BusDatabase>,
  by: Date,
): Promise<Map<string, OutboxFloor | undefined>> {
  const { rows } = await sql<{ source: string; position: string | null; inserted_at: Date | null }>`
    select w.source, f.position::text, f.inserted_at
    from outbox_windows w
    left join lateral (
      select max(position) as position, max(inserted_at) as inserted_at
      from outbox_floors where source = w.source and since <= ${by}::timestamptz
    ) f on true`.execute(db);
  return new Map(
    rows.map(({ source, position, inserted_at: insertedAt }) => [
      source,
      position === null || insertedAt === null
        ? undefined
        : { source, position: Number(position), insertedAt },
    ]),
  );
}
