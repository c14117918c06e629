import {
  type BusDatabase,
  clockOf,
  loadGroups,
  loadOutboxFloors,
  loadTopics,
  loadWindows,
} from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import {
  CommandRejectedError,
  type GroupRef,
  issuedAt,
  oldestUnsettled,
  type StreamObserver,
  streamKeys,
} from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** Where to look for what may still come again. */
export interface ReachParts {
  /** The database of the inbox. */
  readonly inbox: Kysely<BusDatabase>;
  /** The database of the whole bus. */
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
}

/** How far back events reach that may come to an inbox again. */
export interface Reach {
  /** The streams that are read by the groups whose inbox it is; no others were looked at. */
  readonly reads: readonly GroupRef[];
  /** What was settled before comes no more; `null` if that cannot be told. */
  readonly settledBefore: Date | null;
  /** By source, the position up to which the groups have settled all that was ever written to those streams. */
  readonly positions: ReadonlyMap<string, number>;
  /** What it goes by, for people. */
  readonly reason: string;
}

/** Clocks of servers may differ by so much, or jump. */
export const clockToleranceMs = 2 * 3_600_000;

/**
 * An event comes again from its outbox' log, as long as that has it; and as an entry that was written while it had it, which
 * waits in a stream, a pending list or an inject stream, now or in the oldest backup of Redis that one would restore. So what
 * counts is what the outboxes lacked already when the oldest of such entries was written.
 */
export async function findReach(parts: ReachParts, keepMs: number): Promise<Reach> {
  const { inbox, bus, streams } = parts;
  const [{ outboxes, inboxes }, known, registered, topics] = await Promise.all([
    loadWindows(bus),
    loadInboxGroups(inbox),
    loadGroups(bus),
    loadTopics(bus),
  ]);
  const groups = known.map(({ group }) => group);
  const unknown = (reason: string): Reach => ({
    reads: [],
    settledBefore: null,
    positions: new Map(),
    reason,
  });
  if (outboxes.length === 0) return unknown('no outbox has registered its window yet');

  const oldestBackupMs = Math.max(...outboxes.map((outbox) => outbox.keepMs));
  const waits = inboxes.filter(({ group }) => groups.includes(group)).map((window) => window.longestWaitMs);
  const nowMs = await clockOf(bus);
  let writtenSinceMs = nowMs - oldestBackupMs - Math.max(0, ...waits);
  let why = `a backup of Redis as old as OUTBOX_KEEP may hold what has waited for LONGEST_WAIT`;
  const reads: GroupRef[] = [];
  for (const group of groups) {
    const read = registered.find(({ name }) => name === group);
    if (read === undefined) return unknown(`group ${group} is not registered in the database of the bus`);
    for (const stream of read.topics.flatMap((topic) =>
      streamKeys(topic, topics.get(topic)?.partitions ?? 1),
    )) {
      const live: GroupRef = { stream, group };
      reads.push(live);
      for (const ref of [live, { ...live, injected: true } as const]) {
        const found = await unlessRejected(oldestUnsettled(streams, ref));
        if (found instanceof CommandRejectedError)
          return unknown(`${stream}, which group ${group} reads, cannot be read: ${found.message}`);
        const oldestId = found.state === 'none' ? null : found.oldestId;
        if (oldestId === null || issuedAt(oldestId) >= writtenSinceMs) continue;
        writtenSinceMs = issuedAt(oldestId);
        why = `group ${group} has yet to settle entry ${oldestId} of ${stream}`;
      }
    }
  }

  const floors = await loadOutboxFloors(bus, new Date(writtenSinceMs - clockToleranceMs));
  let settledBeforeMs = nowMs - keepMs;
  const positions = new Map<string, number>();
  let reason = settledBeforeMs < writtenSinceMs ? 'that is how long INBOX_KEEP is' : why;
  const since = new Date(writtenSinceMs).toISOString();
  const entries = `entries written since ${since} may still come, because ${why}`;
  for (const [source, floor] of floors) {
    if (floor === undefined)
      return unknown(
        `${entries}; by then outbox ${source} had dropped nothing, so any of its events may be among them`,
      );
    positions.set(source, floor.position);
    const goneMs = floor.insertedAt.getTime() - clockToleranceMs;
    if (goneMs >= settledBeforeMs) continue;
    settledBeforeMs = goneMs;
    reason = `${entries}; then outbox ${source} still had its events of ${floor.insertedAt.toISOString()} and later`;
  }
  return { reads, settledBefore: new Date(settledBeforeMs), positions, reason };
}

/** What was found, or that something else was stored under the key. */
async function unlessRejected<Found>(looking: Promise<Found>): Promise<Found | CommandRejectedError> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof CommandRejectedError) return error;
    throw error;
  }
}
