import type { Kysely } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** An event in terms of its outbox. */
export interface SourceEvent {
  readonly position: number;
  readonly eventId: string;
}

/**
 * The last event of an outbox in each of its streams that is verified in the archive: everything that it wrote to the
 * stream before is verified too. Streams of which nothing is archived are not among them.
 */
export async function loadArchivedPositions(
  db: Kysely<BusDatabase>,
  source: string,
): Promise<Map<string, SourceEvent>> {
  const rows = await db
    .selectFrom('stream_retention_sources')
    .selectAll()
    .where('source', '=', source)
    .execute();
  return new Map(
    rows.flatMap(({ stream, archived_position: position, archived_event_id: eventId }) =>
      position === null || eventId === null ? [] : [[stream, { position: Number(position), eventId }]],
    ),
  );
}
