import type { StreamEntry } from '../entry.ts';
import type { Delivery, EntryName, FailureRecord, GroupRef } from './entries.ts';

/** One page of a claim. */
export interface ClaimPage {
  /** Now this consumer's. */
  readonly deliveries: readonly Delivery[];
  /** Were pending but no longer stand in the stream: acknowledged and gone. */
  readonly vanished: readonly string[];
  /** Left alone, since they wait to be dead-lettered; only if they were asked for. */
  readonly givenUp: readonly StreamEntry[];
  /** Pass it to the next call; `null` when the whole pending list was seen. */
  readonly cursor: string | null;
}

/** Where to read. */
export interface ReadPlace extends Pick<GroupRef, 'stream' | 'injected'> {
  /** The ID of the last entry that was handed out to the group, if nothing that follows may be missing. */
  readonly after?: string | undefined;
}

/** The consuming side, for any number of groups and streams. */
export interface GroupReader {
  /** Creates the group (and an empty stream) unless it exists. `startId` is exclusive; '0' is the beginning, never '$'. */
  ensureGroup(ref: GroupRef, startId: string): Promise<'created' | 'exists'>;
  /**
   * New entries of several places for one consumer, at most `count` of each; waits up to `blockMs` for the
   * first. Never hangs longer than that plus a margin, also when the server is frozen.
   * At most one call at a time; one reader per consumer loop.
   *
   * A place with an `after` is read without a gap: a read of which the reply was lost may be carried out by the server
   * much later, in between two others, and what it brought must not be overtaken.
   * @throws EntriesPassedOverError something between `after` and what was read went elsewhere; all that was read comes back
   * through {@link GroupReader.claim}.
   * @throws GroupMissingError the group or stream is gone on the server (it went back in time, or someone deleted it).
   * @throws UnknownOutcomeError the reply was lost: entries may have been handed to this consumer, which come back
   * through {@link GroupReader.claim}.
   */
  read(request: {
    readonly group: string;
    readonly consumer: string;
    readonly from: readonly ReadPlace[];
    readonly count: number;
    readonly blockMs: number;
  }): Promise<Delivery[]>;
  /**
   * The ID of the last entry that was handed out to the group.
   * @throws GroupMissingError
   */
  lastDelivered(ref: GroupRef): Promise<string>;
  /**
   * Takes over entries that nobody has touched for `minIdleMs`, one page of the pending list per call, which is shorter than
   * `count` where entries are large. Left alone are
   * those that wait to be dead-lettered: their failure record is `final`, or they have been handed out
   * `maxDeliveries` times.
   *
   * Deliveries are counted here up to the second. A process that died with entries in hand may have died of any of
   * them: what comes a third time is to be handled alone, and {@link GroupReader.countDelivery} counts when that begins.
   */
  claim(
    ref: GroupRef,
    request: {
      readonly consumer: string;
      readonly minIdleMs: number;
      readonly count: number;
      readonly maxDeliveries: number;
      /** Whether to report what is left alone. */
      readonly withGivenUp?: boolean;
      readonly cursor?: string | null;
    },
  ): Promise<ClaimPage>;
  /**
   * Counts one more delivery of an entry in this consumer's hands, before its handling begins. Returns how many there
   * were, or `null` if the entry is no longer this consumer's.
   */
  countDelivery(ref: GroupRef, consumer: string, id: string): Promise<number | null>;
  /** Keeps entries claimed: resets their idle time, if they are still this consumer's. Returns those that are. */
  keep(ref: GroupRef, consumer: string, ids: readonly string[]): Promise<string[]>;
  /**
   * Acknowledges and forgets their failures; injected entries are deleted in the same step. Entries whose ID stands
   * for another event by now are left alone. Returns how many were pending.
   */
  acknowledge(ref: GroupRef, entries: readonly EntryName[]): Promise<number>;
  /**
   * Hands entries back at once, without counting their delivery: the next `claim` of any consumer gets them,
   * whatever its `minIdleMs`. Only those that are still this consumer's. Returns how many.
   */
  release(
    ref: GroupRef,
    consumer: string,
    deliveries: readonly Pick<Delivery, 'id' | 'deliveries'>[],
  ): Promise<number>;
  /**
   * Records failures of pending entries, by entry ID. An entry that is no longer pending gets none, nor does one whose
   * ID stands for another event by now. The process that records has survived them: deliveries of what is this
   * consumer's are counted from 1 again.
   */
  recordFailures(
    ref: GroupRef,
    consumer: string,
    failures: ReadonlyMap<string, FailureRecord>,
  ): Promise<void>;
  /** The recorded failures of these entries, as far as they can be read. */
  failures(ref: GroupRef, ids: readonly string[]): Promise<Map<string, FailureRecord>>;
  /** Removes a consumer name, if nothing is pending under it, in one step. Returns whether the name is gone. */
  removeConsumer(ref: GroupRef, consumer: string): Promise<boolean>;
  /** Answers when the server does. */
  ping(): Promise<void>;
  /** Idempotent, also while a read blocks. */
  close(): Promise<void>;
}
