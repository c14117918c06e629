import { dropEmptyPartition, listPartitions, unlessRefused, type WhyKept } from '@event-bus/database';
import { emptyInboxPartition, pruneDefaultInboxPartition, raiseInboxFloors } from '@event-bus/inbox';
import { floorsKnownMs } from '../runner/forgotten.ts';
import { pause } from '../runner/pause.ts';
import { findReach, type ReachParts } from './reach.ts';

/** A partition that is past its window and is not dropped yet. */
export interface KeptInboxPartition extends WhyKept {
  readonly partition: string;
}

/** What became of an inbox' old partitions. */
export interface InboxPruneReport {
  readonly dropped: readonly string[];
  readonly kept: readonly KeptInboxPartition[];
  /** Rows of the default partition that went. */
  readonly defaultRows: number;
  /** Partitions that are left, the default one not counted, and when the oldest begins. */
  readonly partitions: number;
  readonly oldestAt: Date | null;
}

const most = 10_000;

/**
 * Drops the partitions of an inbox whose events cannot come again. Killed anywhere it leaves nothing that the next call does
 * not finish.
 * @param keepMs how long the inbox remembers at least, since an event was settled.
 * @param waitMs after how long every runner knows what the inbox is about to forget.
 */
export async function pruneInbox(
  parts: ReachParts,
  keepMs: number,
  signal: AbortSignal,
  waitMs = floorsKnownMs,
): Promise<InboxPruneReport> {
  const { inbox } = parts;
  const { reads, settledBefore, positions, reason } = await findReach(parts, keepMs);
  const past = Date.now() - keepMs;
  const old = (await listPartitions(inbox, 'inbox')).filter(({ endsAt }) => endsAt.getTime() <= past);
  const dropped: string[] = [];
  const kept: KeptInboxPartition[] = [];
  let defaultRows = 0;
  if (settledBefore === null) {
    kept.push(...old.map(({ name }) => ({ partition: name, kind: 'unknown', reason })));
  } else {
    // First, and until every runner knows, whoever raised them: nothing is forgotten of which nobody knows that it was settled.
    const raisedAgoMs = await raiseInboxFloors(inbox, reads, positions);
    if (raisedAgoMs < waitMs) await pause(waitMs - raisedAgoMs, signal);
    signal.throwIfAborted();
    for (const { name } of old) {
      const why = await unlessRefused(drop(inbox, name, settledBefore));
      if (why === undefined) dropped.push(name);
      else
        kept.push({
          partition: name,
          kind: why.kind,
          reason: why.kind === 'young' ? `${why.reason}: ${reason}` : why.reason,
        });
    }
    for (let more = most; more === most; defaultRows += more) {
      more = await pruneDefaultInboxPartition(inbox, settledBefore, most);
    }
  }
  const left = await listPartitions(inbox, 'inbox');
  return { dropped, kept, defaultRows, partitions: left.length, oldestAt: left[0]?.startsAt ?? null };
}

async function drop(inbox: ReachParts['inbox'], partition: string, settledBefore: Date) {
  const why = await emptyInboxPartition(inbox, partition, settledBefore);
  return why ?? (await dropEmptyPartition(inbox, 'inbox', partition));
}
