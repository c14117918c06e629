import type { EventOutcome } from '@event-bus/inbox';
import {
  compareEntryIds,
  type FailedAttempt,
  type GroupStatus,
  type StreamObserver,
} from '@event-bus/transport';

/** How far a group has come with an event. */
export interface GroupProgress {
  readonly group: string;
  /** Empty for live traffic. */
  readonly replayId: string;
  /**
   * - `done`, `skipped`, `dead`, `discarded`: what the inbox says.
   * - `pending`: a runner has it in hand, or it waits for its next attempt.
   * - `given-up`: it waits for the dlq-mover.
   * - `waiting`: it is not in the stream yet, or was not handed out.
   * - `passed`: it was acknowledged and is not in the inbox: the group has no handler for its type.
   * - `unknown`: it is not in the inbox, and where it stands in the stream is not known.
   */
  readonly state: EventOutcome['outcome'] | 'pending' | 'given-up' | 'waiting' | 'passed' | 'unknown';
  /** Attempts that were made, as far as is known. */
  readonly attempts: number | null;
  readonly at: Date | null;
  /** Why, or the last error. */
  readonly reason: string | null;
  /** Who has it in hand. */
  readonly consumer: string | null;
  /** How often it was handed out, while it is pending. */
  readonly deliveries: number | null;
  /** When it is tried again. */
  readonly dueAt: Date | null;
  /** The failed attempts that are remembered, oldest first, while it is pending. */
  readonly history: readonly FailedAttempt[];
}

const blank = {
  attempts: null,
  at: null,
  reason: null,
  consumer: null,
  deliveries: null,
  dueAt: null,
  history: [],
};

/** What the inbox says of an event. */
export function settledProgress(outcome: EventOutcome): GroupProgress {
  const { group, replayId, outcome: state, attempt, processedAt, reason } = outcome;
  return { ...blank, group, replayId, state, attempts: attempt, at: processedAt, reason };
}

/** How far a group has come with what the inbox does not know of. `entryId` is where it stands in the stream. */
export async function openProgress(
  observer: StreamObserver,
  group: string,
  at: {
    readonly isWritten: boolean;
    readonly entryId: string | null;
    readonly status: GroupStatus | undefined;
  },
): Promise<GroupProgress> {
  const open = { ...blank, group, replayId: '' };
  const { isWritten, entryId, status } = at;
  if (entryId === null) return { ...open, state: isWritten ? 'unknown' : 'waiting' };
  if (status === undefined || compareEntryIds(entryId, status.lastDeliveredId) > 0) {
    return { ...open, state: 'waiting' };
  }
  const [entry] = await observer.pending(status, idBefore(entryId), 1);
  if (entry === undefined || entry.id !== entryId) return { ...open, state: 'passed' };
  const { consumer, deliveries, failure } = entry;
  return {
    ...open,
    state: failure?.final === true ? 'given-up' : 'pending',
    attempts: failure?.attempts ?? 0,
    at: failure === null ? null : new Date(failure.failedAt),
    reason: failure?.error ?? null,
    consumer,
    deliveries,
    dueAt: failure === null || failure.final ? null : new Date(failure.dueAt),
    history: failure?.history ?? [],
  };
}

const largestSequence = 2n ** 64n - 1n;

/** The highest ID below this one; `null` if there is none. */
function idBefore(id: string): string | null {
  const [ms = 0n, sequence = 0n] = id.split('-').map(BigInt);
  if (sequence > 0n) return `${ms}-${sequence - 1n}`;
  return ms === 0n ? null : `${ms - 1n}-${largestSequence}`;
}
