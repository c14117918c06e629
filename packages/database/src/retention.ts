import type { Kysely } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** Up to which entry ID each stream is archived, as far as it is. */
export async function loadArchivedTo(db: Kysely<BusDatabase>): Promise<ReadonlyMap<string, string>> {
  const rows = await db.selectFrom('stream_retention').select(['stream', 'archived_to']).execute();
  return new Map(rows.flatMap(({ stream, archived_to: id }) => (id === null ? [] : [[stream, id] as const])));
}
