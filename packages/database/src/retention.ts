import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { BusDatabase, StreamRetentionSourcesTable, StreamRetentionTable } from './schema.ts';

/** An event in terms of its outbox. */
export interface SourceEvent {
  readonly position: number;
  readonly eventId: string;
}

/** The last entry of a stream that is verified in the archive. */
export interface ArchivedMark {
  readonly entryId: string;
  /** Empty if the entry names none. */
  readonly eventId: string;
}

/** The same in terms of one outbox: its last event in the stream up to there, in the order of the stream. */
export interface SourceRetention {
  readonly archived: SourceEvent | null;
  readonly trimmed: SourceEvent | null;
}

/** How far a stream is archived and trimmed. */
export interface StreamRetention {
  readonly stream: string;
  /** Everything up to and including this entry is verified in the archive. */
  readonly archived: ArchivedMark | null;
  readonly archivedAt: Date | null;
  /**
   * Inclusive: everything up to this entry is in the archive and was settled by every group, and is out of the stream, or
   * will be as soon as somebody trims it. What a stream that went back in time lacks of it is not missing.
   */
  readonly trimmedTo: string | null;
  readonly trimmedAt: Date | null;
  readonly sources: ReadonlyMap<string, SourceRetention>;
}

/** How far one stream is archived and trimmed; `undefined` if nothing of it ever was. */
export async function loadRetention(
  db: Kysely<BusDatabase>,
  stream: string,
): Promise<StreamRetention | undefined> {
  const [found] = await load(db, stream);
  return found;
}

/** The same of every stream of which anything is archived, by name. */
export async function loadRetentions(db: Kysely<BusDatabase>): Promise<StreamRetention[]> {
  return load(db);
}

/** Up to which entry ID each stream is archived, as far as it is. */
export async function loadArchivedTo(db: Kysely<BusDatabase>): Promise<ReadonlyMap<string, string>> {
  const rows = await db.selectFrom('stream_retention').select(['stream', 'archived_to']).execute();
  return new Map(rows.flatMap(({ stream, archived_to: id }) => (id === null ? [] : [[stream, id] as const])));
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
    rows.flatMap((row) => {
      const { archived } = toSourceRetention(row);
      return archived === null ? [] : [[row.stream, archived] as const];
    }),
  );
}

/**
 * Records that a stream is archived up to an entry. Returns false, and changes nothing, if somebody has recorded anything
 * else than `from` meanwhile. `to` may lie below `from`: a stream that went back in time is archived anew from where it
 * and the archive part.
 * @param lastOf the last event of each source that has any between `from` and `to`.
 */
export async function recordArchived(
  db: Kysely<BusDatabase>,
  stream: string,
  step: {
    readonly from: ArchivedMark | null;
    readonly to: ArchivedMark;
    readonly lastOf: ReadonlyMap<string, SourceEvent>;
  },
): Promise<boolean> {
  const { from, to, lastOf } = step;
  return db.transaction().execute(async (trx) => {
    await ensureRow(trx, stream);
    const { numUpdatedRows } = await trx
      .updateTable('stream_retention')
      .set({
        archived_to: to.entryId,
        archived_event_id: to.eventId,
        archived_at: sql<Date>`clock_timestamp()`,
      })
      .where('stream', '=', stream)
      .where('archived_to', 'is not distinct from', from?.entryId ?? null)
      .where('archived_event_id', 'is not distinct from', from?.eventId ?? null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) return false;
    await recordSources(trx, stream, 'archived', lastOf);
    return true;
  });
}

/**
 * Records that a stream is trimmed up to an entry, before it is. Returns false, and changes nothing, if somebody has
 * recorded anything else than `from` meanwhile.
 * @param lastOf the last event of each source that has any between `from` and `to`.
 */
export async function recordTrimmed(
  db: Kysely<BusDatabase>,
  stream: string,
  step: {
    readonly from: string | null;
    readonly to: string;
    readonly lastOf: ReadonlyMap<string, SourceEvent>;
  },
): Promise<boolean> {
  const { from, to, lastOf } = step;
  return db.transaction().execute(async (trx) => {
    await ensureRow(trx, stream);
    const { numUpdatedRows } = await trx
      .updateTable('stream_retention')
      .set({ trimmed_to: to, trimmed_at: sql<Date>`clock_timestamp()` })
      .where('stream', '=', stream)
      .where('trimmed_to', 'is not distinct from', from)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) return false;
    await recordSources(trx, stream, 'trimmed', lastOf);
    return true;
  });
}

async function ensureRow(trx: Transaction<BusDatabase>, stream: string): Promise<void> {
  await trx
    .insertInto('stream_retention')
    .values({ stream })
    .onConflict((conflict) => conflict.column('stream').doNothing())
    .execute();
}

async function recordSources(
  trx: Transaction<BusDatabase>,
  stream: string,
  what: 'archived' | 'trimmed',
  lastOf: ReadonlyMap<string, SourceEvent>,
): Promise<void> {
  const [position, eventId] = [sql.ref(`${what}_position`), sql.ref(`${what}_event_id`)];
  const events = [...lastOf.values()];
  await sql`
    insert into stream_retention_sources (stream, source, ${position}, ${eventId})
    select ${stream}, * from unnest(${[...lastOf.keys()]}::text[],
      ${events.map((event) => event.position)}::bigint[], ${events.map((event) => event.eventId)}::text[])
    on conflict (stream, source) do update
    set ${position} = excluded.${position}, ${eventId} = excluded.${eventId}`.execute(trx);
}

async function load(db: Kysely<BusDatabase>, only?: string): Promise<StreamRetention[]> {
  // Both tables in one snapshot.
  const rows = await db
    .selectFrom('stream_retention as r')
    .selectAll('r')
    .select((eb) =>
      eb
        .selectFrom('stream_retention_sources as s')
        .whereRef('s.stream', '=', 'r.stream')
        .select(
          sql<Selectable<StreamRetentionSourcesTable>[] | null>`json_agg(json_build_object(
            'source', s.source,
            'archived_position', s.archived_position::text, 'archived_event_id', s.archived_event_id,
            'trimmed_position', s.trimmed_position::text, 'trimmed_event_id', s.trimmed_event_id))`.as('all'),
        )
        .as('sources'),
    )
    .$if(only !== undefined, (query) => query.where('r.stream', '=', only ?? ''))
    .orderBy('r.stream')
    .execute();
  return rows.map((row) => toStreamRetention(row, row.sources ?? []));
}

function toStreamRetention(
  row: Selectable<StreamRetentionTable>,
  sources: readonly Selectable<StreamRetentionSourcesTable>[],
): StreamRetention {
  return {
    stream: row.stream,
    archived:
      row.archived_to === null ? null : { entryId: row.archived_to, eventId: row.archived_event_id ?? '' },
    archivedAt: row.archived_at,
    trimmedTo: row.trimmed_to,
    trimmedAt: row.trimmed_at,
    sources: new Map(sources.map((source) => [source.source, toSourceRetention(source)])),
  };
}

type SourceColumns = Omit<Selectable<StreamRetentionSourcesTable>, 'stream' | 'source'>;

function toSourceRetention(row: SourceColumns): SourceRetention {
  return {
    archived: toSourceEvent(row.archived_position, row.archived_event_id),
    trimmed: toSourceEvent(row.trimmed_position, row.trimmed_event_id),
  };
}

function toSourceEvent(position: string | null, eventId: string | null): SourceEvent | null {
  return position === null || eventId === null ? null : { position: Number(position), eventId };
}
