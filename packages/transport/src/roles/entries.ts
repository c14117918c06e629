import type { StreamEntry } from '../entry.ts';

/** What names an entry: entry IDs can be handed out twice after a failover, so its event goes with it. */
export interface EntryName {
  readonly id: string;
  /** Empty where the entry has none. */
  readonly eventId: string;
}

/**
 * One group, and one of the two places it reads: a stream, or what is injected beside that stream for this group only
 * (replays, redrives). Both have a pending list of their own.
 */
export interface GroupRef {
  readonly stream: string;
  readonly group: string;
  readonly injected?: true;
}

/** An entry handed to one consumer of a group. It stays pending until it is acknowledged. */
export interface Delivery extends StreamEntry {
  readonly stream: string;
  /** Present if it did not stand in the stream, but was injected for this group only. */
  readonly injected?: true;
  /** How often this entry was handed out, this time included, whether it is counted yet or not. */
  readonly deliveries: number;
}

/** One failed attempt, for people. */
export interface FailedAttempt {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly consumer: string;
  readonly error: string;
}

/** The last failure of a pending entry, kept beside the stream so that it outlives the runner that saw it. */
export interface FailureRecord {
  /** Of the entry that failed. Entry IDs can be handed out twice after a failover: compare before use. */
  readonly eventId: string;
  /** Attempts that ended in the handler's error or timeout. */
  readonly attempts: number;
  /** No further attempt will be made: the entry waits to be dead-lettered. */
  readonly final: boolean;
  /** Others were handled between its failures: it is the event that fails, and not something that all of them need. */
  readonly isOwn: boolean;
  /** What kind of failure it is, in a word. */
  readonly kind: string;
  readonly reason: string;
  /** Name and message of the last error. */
  readonly error: string;
  /** Its stack, bounded; empty where it has none. */
  readonly stack: string;
  /** The attempts that are remembered, oldest first: the first and the last ones. */
  readonly history: readonly FailedAttempt[];
  /** When the entry was first handed to a consumer, as far as is known. Milliseconds since the epoch. */
  readonly firstDeliveredAt: number;
  /** Milliseconds since the epoch. */
  readonly failedAt: number;
  /** Milliseconds since the epoch; the next attempt is not before. */
  readonly dueAt: number;
}

/** A pending entry, seen from outside. */
export interface PendingEntry {
  readonly id: string;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
  /** `null` if none is recorded, or only one of another event under this ID. */
  readonly failure: FailureRecord | null;
  /** `null` if the entry no longer stands in its stream. */
  readonly fields: Readonly<Record<string, string>> | null;
}
