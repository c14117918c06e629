import {
  compareEntryIds,
  type GroupRef,
  type GroupStatus,
  type PendingEntry,
  type StreamObserver,
} from '@event-bus/transport';
import type { EntryState } from './states.ts';

const pageSize = 100;

/** How entries of one stream stand for a group, by entry ID. `status` is `undefined` if the stream does not know the group. */
export async function entryStates(
  observer: StreamObserver,
  status: GroupStatus | undefined,
  ids: readonly string[],
): Promise<Map<string, EntryState>> {
  // A group that is gone is created again at the beginning.
  if (status === undefined) return new Map(ids.map((id) => [id, 'unread']));
  const isUnread = (id: string) => compareEntryIds(id, status.lastDeliveredId) > 0;
  const pending = await findPending(
    observer,
    status,
    ids.filter((id) => !isUnread(id)),
  );
  return new Map(ids.map((id) => [id, isUnread(id) ? 'unread' : pendingState(pending.get(id))]));
}

/** How a pending entry stands, or one that is pending no more. */
function pendingState(entry: PendingEntry | undefined): EntryState {
  if (entry === undefined) return 'acknowledged';
  if (entry.failure === null) return 'in-flight';
  return entry.failure.final ? 'given-up' : 'retrying';
}

/** Those of the entries that are pending. Reads the parts of the pending list that they may stand in. */
async function findPending(
  observer: StreamObserver,
  ref: GroupRef,
  ids: readonly string[],
): Promise<Map<string, PendingEntry>> {
  const found = new Map<string, PendingEntry>();
  let wanted = ids.toSorted(compareEntryIds);
  for (let [next] = wanted; next !== undefined; [next] = wanted) {
    const page = await observer.pending(ref, idBefore(next), pageSize);
    for (const entry of page) found.set(entry.id, entry);
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) break;
    wanted = wanted.filter((id) => compareEntryIds(id, last.id) > 0);
  }
  return found;
}

const highestSequence = 2n ** 64n - 1n;

/** The highest ID below this one. */
function idBefore(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  if (BigInt(sequence) > 0n) return `${ms}-${BigInt(sequence) - 1n}`;
  return BigInt(ms) > 0n ? `${BigInt(ms) - 1n}-${highestSequence}` : '0-0';
}
