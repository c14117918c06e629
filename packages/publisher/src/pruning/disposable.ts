import {
  type BusDatabase,
  loadArchivedPositions,
  loadGroups,
  loadTopics,
  type RegisteredGroup,
  type SourceEvent,
} from '@event-bus/database';
import {
  batchesBelow,
  batchOf,
  type DisposableBatches,
  newestBatches,
  type RecordedBatch,
} from '@event-bus/outbox/log';
import { compareEntryIds, oldestUnsettled, type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';

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
 * it is verified in the archive. Of a stream that nobody reads nothing is settled.
 */
export async function findDisposable(parts: DisposableParts): Promise<Disposable> {
  const { pool, bus, source } = parts;
  const [groups, topics, archived] = await Promise.all([
    loadGroups(bus),
    loadTopics(bus),
    loadArchivedPositions(bus, source),
  ]);
  const readers = new Map<string, RegisteredGroup[]>();
  for (const group of groups) {
    for (const topic of group.topics) {
      for (const stream of streamKeys(topic, topics.get(topic)?.partitions ?? 1)) {
        readers.set(stream, [...(readers.get(stream) ?? []), group]);
      }
    }
  }
  const settled = new Map<string, number>();
  const batches: DisposableBatches[] = [];
  for (const newest of await newestBatches(pool)) {
    const { stream } = newest;
    const found = await findSettled(parts, newest, readers.get(stream) ?? []);
    if (found.isCertain) settled.set(stream, found.number);
    const number = Math.max(found.number, await archivedBatch(pool, stream, archived.get(stream)));
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

const chunk = 200;

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
  return { number: await lastBefore(pool, newest, oldest.id), isCertain: true, reason };
}

function uncertain(reason: string): Settled {
  return { number: 0, isCertain: false, reason };
}

/** The newest batch of a stream that ends before an entry; 0 if none does. */
async function lastBefore(pool: Pool, newest: RecordedBatch, id: string): Promise<number> {
  for (let below = newest.number + 1; ; ) {
    const batches = await batchesBelow(pool, newest.stream, below, chunk);
    const found = batches.find(({ lastId }) => compareEntryIds(lastId, id) < 0);
    if (found !== undefined) return found.number;
    const oldest = batches.at(-1);
    if (oldest === undefined) return 0;
    below = oldest.number;
  }
}

/** The last batch of a stream that is in the archive whole. */
async function archivedBatch(pool: Pool, stream: string, archived: SourceEvent | undefined): Promise<number> {
  if (archived === undefined) return 0;
  const batch = await batchOf(pool, stream, archived);
  if (batch === undefined) return 0;
  return batch.lastPosition === archived.position ? batch.number : batch.number - 1;
}
