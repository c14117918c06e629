import {
  type BusDatabase,
  loadArchivedPositions,
  loadArchivedTo,
  loadGroups,
  loadTopics,
  type RegisteredGroup,
  type SourceEvent,
} from '@event-bus/database';
import {
  batchOf,
  type DisposableBatches,
  loadSettled,
  newestBatches,
  type RecordedBatch,
} from '@event-bus/outbox/log';
import {
  CommandRejectedError,
  compareEntryIds,
  formerStreamKeys,
  oldestUnsettled,
  type StreamObserver,
  streamKeys,
} from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';
import { newestBatchOf } from '../newest-batch-of.ts';

/** Where to look for what nobody needs from the log any more. */
export interface DisposableParts {
  readonly pool: Pool;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
  readonly source: string;
}

/** What every group has settled, as far as that can be told, and what nobody needs: that, or what is in the archive. */
export interface Disposable {
  readonly settled: ReadonlyMap<string, number>;
  readonly batches: readonly DisposableBatches[];
}

/**
 * Finds, for each stream of an outbox, up to which batch every group that reads it has acknowledged all, and up to which
 * it is verified in the archive. Of a stream that nobody reads nothing is settled; but if it is nobody's because its topic
 * was given several partitions, what was settled by then stays so.
 */
export async function findDisposable(parts: DisposableParts): Promise<Disposable> {
  const { pool, bus, source } = parts;
  const [groups, topics, archived, archivedTo] = await Promise.all([
    loadGroups(bus),
    loadTopics(bus),
    loadArchivedPositions(bus, source),
    loadArchivedTo(bus),
  ]);
  const readers = new Map<string, RegisteredGroup[]>();
  for (const group of groups) {
    for (const topic of group.topics) {
      const partitions = topics.get(topic)?.partitions ?? 1;
      for (const stream of [...streamKeys(topic, partitions), ...formerStreamKeys(topic, partitions)]) {
        readers.set(stream, [...(readers.get(stream) ?? []), group]);
      }
    }
  }
  const former = new Set(
    [...topics.values()].flatMap(({ name, partitions }) => formerStreamKeys(name, partitions)),
  );
  const settled = new Map<string, number>();
  const batches: DisposableBatches[] = [];
  for (const newest of await newestBatches(pool)) {
    const { stream } = newest;
    const found = await findSettled(parts, newest, readers.get(stream) ?? []).catch(unreadable);
    if (found.isCertain) settled.set(stream, found.number);
    // Groups that came later are not on it, and Redis may have forgotten the others: what was noted before is true for ever.
    const noted = former.has(stream) && !found.isCertain ? await loadSettled(pool, stream) : 0;
    const inArchive = await archivedBatch(pool, stream, archived.get(stream), archivedTo.get(stream));
    const number = Math.max(found.number, noted, inArchive);
    const isArchived = archived.has(stream) ? 'it is not archived so far' : 'it is not archived';
    batches.push({ stream, number, reason: `${found.reason}, and ${isArchived}` });
  }
  return { settled, batches };
}

interface Settled {
  readonly number: number;
  /** Not if the stream, or a group in it, is not what it was: then nothing is known to be settled. */
  readonly isCertain: boolean;
  readonly reason: string;
}

async function findSettled(
  { pool, streams }: DisposableParts,
  newest: RecordedBatch,
  groups: readonly RegisteredGroup[],
): Promise<Settled> {
  const { stream } = newest;
  if (groups.length === 0) {
    return { number: 0, isCertain: true, reason: 'no group is registered that reads it' };
  }
  let oldest: { readonly id: string; readonly group: string } | undefined;
  for (const { name: group } of groups) {
    const found = await oldestUnsettled(streams, { stream, group });
    if (found.state === 'missing') return uncertain(`group ${group} is missing on the server`);
    if (found.state === 'some' && (oldest === undefined || compareEntryIds(found.oldestId, oldest.id) < 0)) {
      oldest = { id: found.oldestId, group };
    }
  }
  // The groups were asked before: entry IDs mean what is recorded only if the stream has not gone back in time.
  const [entry] = await streams.range(stream, newest.lastId, newest.lastId, 1);
  if (entry?.fields.event_id !== newest.lastEventId) {
    return uncertain('the stream does not hold what was written to it last');
  }
  if (oldest === undefined) {
    return { number: newest.number, isCertain: true, reason: 'it was written after the last look' };
  }
  const reason = `group ${oldest.group} has not acknowledged entry ${oldest.id}`;
  const { id } = oldest;
  const number = await newestBatchOf(
    pool,
    stream,
    newest.number,
    ({ lastId }) => compareEntryIds(lastId, id) < 0,
  );
  return { number, isCertain: true, reason };
}

function uncertain(reason: string): Settled {
  return { number: 0, isCertain: false, reason };
}

/** Of a stream under whose key something else was stored nothing is known, which holds up no other. */
function unreadable(error: unknown): Settled {
  if (!(error instanceof CommandRejectedError)) throw error;
  return uncertain(`the stream cannot be read: ${error.message}`);
}

/** The last batch of a stream that is in the archive whole, where it is recorded: an event may be there for a copy of it alone. */
async function archivedBatch(
  pool: Pool,
  stream: string,
  archived: SourceEvent | undefined,
  archivedTo: string | undefined,
): Promise<number> {
  if (archived === undefined || archivedTo === undefined) return 0;
  const batch = await batchOf(pool, stream, archived);
  if (batch === undefined) return 0;
  return newestBatchOf(pool, stream, batch, ({ lastId }) => compareEntryIds(lastId, archivedTo) <= 0);
}
