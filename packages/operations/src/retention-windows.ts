import { findReach } from '@event-bus/consumer/pruning';
import {
  type BusDatabase,
  listPartitions,
  loadWindows,
  type Partition,
  type WhyKept,
  type Windows,
} from '@event-bus/database';
import { explainInboxPartition } from '@event-bus/inbox';
import { explainPartition, readSource } from '@event-bus/outbox/log';
import { findDisposable } from '@event-bus/publisher';
import type { StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { OutboxPool } from './outbox-pool.ts';

/** The partitions of one event table, and what holds back the drop of the oldest. */
export interface LogPartitions {
  readonly partitions: number;
  readonly oldest: string | null;
  readonly oldestAt: Date | null;
  /** When the oldest is past its window; `null` if no window is registered. */
  readonly droppableAt: Date | null;
  /** Whether it is. */
  readonly isDue: boolean;
  /** Why it is not dropped, or would not be if it were due: a sentence. `null` if nothing is in the way. */
  readonly heldBackBy: string | null;
  /** The same in a word, as metrics have it. */
  readonly heldBackKind: string | null;
}

/** How the windows of the bus chain, and what becomes of the partitions of one outbox and one inbox. */
export interface RetentionWindows extends Windows {
  readonly outbox: LogPartitions;
  readonly inbox: LogPartitions;
}

/** Looks at the windows of the whole bus and at the partitions of one database, which may hold an outbox, inboxes or both. */
export async function retentionWindows(from: {
  readonly pool: OutboxPool;
  /** The same database as `pool`. */
  readonly outbox: Kysely<BusDatabase>;
  readonly inbox: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
}): Promise<RetentionWindows> {
  const { pool, bus, streams } = from;
  const windows = await loadWindows(bus);
  const never: WhyKept = { kind: 'unpublished', reason: 'the outbox was never published' };
  const [outbox, inbox, source] = await Promise.all([
    listPartitions(from.outbox, 'outbox'),
    listPartitions(from.inbox, 'inbox'),
    readSource(pool),
  ]);
  const outboxKeepMs = windows.outboxes.find((one) => one.source === source)?.keepMs;
  const inboxKeepMs = Math.max(...windows.inboxes.map(({ keepMs }) => keepMs));
  return {
    ...windows,
    outbox: await describe(outbox, outboxKeepMs, async ({ name }) => {
      if (source === null) return never;
      const { batches } = await findDisposable({ pool, bus, streams, source });
      return explainPartition(pool, name, batches);
    }),
    inbox: await describe(
      inbox,
      Number.isFinite(inboxKeepMs) ? inboxKeepMs : undefined,
      async ({ name }, keepMs) => {
        const { settledBefore, reason } = await findReach({ inbox: from.inbox, bus, streams }, keepMs);
        if (settledBefore === null) return { kind: 'unknown', reason };
        const why = await explainInboxPartition(from.inbox, name, settledBefore);
        return why?.kind === 'young' ? { ...why, reason: `${why.reason}: ${reason}` } : why;
      },
    ),
  };
}

async function describe(
  partitions: readonly Partition[],
  keepMs: number | undefined,
  whyKept: (oldest: Partition, keepMs: number) => Promise<WhyKept | undefined>,
): Promise<LogPartitions> {
  const [oldest] = partitions;
  const isKnown = oldest !== undefined && keepMs !== undefined;
  const droppableAt = isKnown ? new Date(oldest.endsAt.getTime() + keepMs) : null;
  const why = isKnown ? await whyKept(oldest, keepMs) : undefined;
  return {
    partitions: partitions.length,
    oldest: oldest?.name ?? null,
    oldestAt: oldest?.startsAt ?? null,
    droppableAt,
    isDue: droppableAt !== null && droppableAt.getTime() <= Date.now(),
    heldBackBy: why?.reason ?? null,
    heldBackKind: why?.kind ?? null,
  };
}
