import {
  type BusDatabase,
  dropEmptyPartition,
  listPartitions,
  type Partition,
  recordOutboxFloor,
  unlessRefused,
  type WhyKept,
} from '@event-bus/database';
import {
  defaultPartition,
  emptyPartition,
  forgetBatches,
  isLedBy,
  pruneDefaultPartition,
  readFloor,
  recordSettled,
  timeAgo,
} from '@event-bus/outbox/log';
import type { Kysely } from 'kysely';
import { type Disposable, type DisposableParts, findDisposable } from './disposable.ts';

/** What pruning works with. */
export interface PruneParts extends DisposableParts {
  /** The same database as `pool`. */
  readonly db: Kysely<BusDatabase>;
  /** The log keeps what is younger, whatever became of it: as old as the oldest backup of Redis one would restore. */
  readonly keepMs: number;
}

/** A partition that is past its window and is not dropped yet. */
export interface KeptPartition extends WhyKept {
  readonly partition: string;
}

/** What became of an outbox' old partitions. */
export interface PruneReport {
  readonly dropped: readonly string[];
  readonly kept: readonly KeptPartition[];
  /** Rows of the default partition that went. */
  readonly defaultRows: number;
  readonly forgottenBatches: number;
  /** Partitions that are left, the default one not counted, and when the oldest begins. */
  readonly partitions: number;
  readonly oldestAt: Date | null;
}

const most = 10_000;

/**
 * Drops what nobody needs of an outbox' log any more, and tells the whole bus what is gone. Killed anywhere it leaves nothing
 * that the next call does not finish; of two at once one finds nothing to do.
 */
export async function prune(parts: PruneParts): Promise<PruneReport> {
  const { pool, db, bus, source, keepMs } = parts;
  const olderThan = await timeAgo(pool, keepMs);
  const old = (await listPartitions(db, 'outbox')).filter(({ endsAt }) => endsAt <= olderThan);
  const disposable = await findDisposable(parts);
  await recordSettled(pool, disposable.settled);

  const dropped: string[] = [];
  const kept: KeptPartition[] = [];
  for (const { name } of old) {
    const why = await unlessRefused(drop(parts, name, disposable));
    if (why === undefined) dropped.push(name);
    else kept.push({ partition: name, ...why });
  }
  const defaultRows = await pruneDefault(parts, olderThan, disposable, kept);
  const floor = await readFloor(pool);
  await recordOutboxFloor(bus, { source, ...floor });
  let forgottenBatches = 0;
  for (let more = most; more === most; forgottenBatches += more) {
    more = await forgetBatches(pool, olderThan, most);
  }
  const left: readonly Partition[] = await listPartitions(db, 'outbox');
  return {
    dropped,
    kept,
    defaultRows,
    forgottenBatches,
    partitions: left.length,
    oldestAt: left[0]?.startsAt ?? null,
  };
}

async function drop({ pool, db }: PruneParts, partition: string, { batches }: Disposable) {
  const why = await emptyPartition(pool, partition, batches);
  return why ?? (await dropEmptyPartition(db, 'outbox', partition));
}

async function pruneDefault(
  { pool }: PruneParts,
  olderThan: Date,
  { batches }: Disposable,
  kept: KeptPartition[],
): Promise<number> {
  let rows = 0;
  for (;;) {
    const found = await pruneDefaultPartition(pool, olderThan, most, batches);
    rows += found.pruned;
    if (found.pruned === most) continue;
    if (found.kept !== undefined) kept.push({ partition: defaultPartition, ...found.kept });
    return rows;
  }
}

/** The same, if this publisher leads the outbox; otherwise `undefined`. */
export async function pruneIfLeading(
  parts: PruneParts & { readonly name: string },
): Promise<PruneReport | undefined> {
  return (await isLedBy(parts.pool, parts.name)) ? prune(parts) : undefined;
}
