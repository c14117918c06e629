import type { DeadLetterDetails, EntryValues, StreamEntry } from './entry.ts';

/** What one outbox wrote to a stream last. */
export interface WriterMark {
  readonly entryId: string;
  readonly eventId: string;
}

/**
 * What the writer believes it wrote last, checked before anything is written.
 * `eventId: null` means: this source has never written to the stream.
 * `present` says whether the marked entry must still stand in the stream (or have been trimmed on purpose).
 */
export interface Expectation {
  readonly eventId: string | null;
  readonly present: boolean;
}

/** Outcome of a compare-and-append. `refused` means that nothing was written; it says what was found instead. */
export type AppendResult =
  | { readonly outcome: 'appended'; readonly firstId: string; readonly lastId: string }
  | { readonly outcome: 'refused'; readonly mark: WriterMark | null; readonly present: boolean };

/** What a stream knows of one source. */
export interface WriterState {
  readonly mark: WriterMark | null;
  /** The marked entry stands in the stream under its event ID, or was trimmed on purpose. */
  readonly markPresent: boolean;
  /** The same for the entry that was asked about; `null` if none was. */
  readonly askedPresent: boolean | null;
  /** Up to which entry ID the stream was trimmed on purpose, or `null`. */
  readonly trimmedTo: string | null;
}

/**
 * The publishing side. One connection, commands take effect in the order of the calls, replies are never
 * resent: a call whose reply is lost rejects with an {@link UnknownOutcomeError} and may have taken effect.
 */
export interface StreamWriter {
  /**
   * Writes all entries of a batch, or none, and only if the source's last write is what `expect` says.
   * Calls may overlap: a second batch can be sent before the first is answered.
   * @throws UnknownOutcomeError the reply was lost; it may have been written.
   * @throws ServerRefusedError the server declined for now (OOM, READONLY, NOREPLICAS, LOADING, MISCONF, BUSY, a missing right, …); nothing was written.
   * @throws CommandRejectedError no retry can mend it (WRONGTYPE, a malformed command, …); nothing was written.
   */
  append(
    stream: string,
    batch: {
      readonly source: string;
      readonly expect: Expectation;
      readonly entries: readonly EntryValues[];
    },
  ): Promise<AppendResult>;
  /** Looks, without writing, at the mark of a source and whether an entry known to it survives. */
  inspect(stream: string, source: string, asked?: WriterMark): Promise<WriterState>;
  /** Entries with `from <= id <= to`, at most `count`, in order. */
  range(stream: string, from: string, to: string, count: number): Promise<StreamEntry[]>;
  /**
   * Has a stream that may have gone back in time know up to where it was trimmed on purpose, and hand out no entry ID that
   * is not above `highestId`. Returns whether it would have. What it knows better stays.
   */
  restoreTrim(
    stream: string,
    known: { readonly trimmedTo: string | null; readonly highestId: string },
  ): Promise<boolean>;
  /** Calls back each time the connection was re-established: the server may be another one, or an older self. */
  onReconnect(listener: () => void): void;
  /** Answers when the server does. */
  ping(): Promise<void>;
  /** Idempotent; outstanding calls reject. */
  close(): Promise<void>;
}

/** An entry handed to one consumer of a group. It stays pending until it is acknowledged. */
export interface Delivery extends StreamEntry {
  readonly stream: string;
  /** Present if it did not stand in the stream, but was injected for this group only. */
  readonly injected?: true;
  /** How often this entry was handed out, this time included, whether it is counted yet or not. */
  readonly deliveries: number;
}

/** What names an entry: entry IDs can be handed out twice after a failover, so its event goes with it. */
export interface EntryName {
  readonly id: string;
  /** Empty where the entry has none. */
  readonly eventId: string;
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

/**
 * One group, and one of the two places it reads: a stream, or what is injected beside that stream for this group only
 * (replays, redrives). Both have a pending list of their own.
 */
export interface GroupRef {
  readonly stream: string;
  readonly group: string;
  readonly injected?: true;
}

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

/** The consuming side, for any number of groups and streams. */
export interface GroupReader {
  /** Creates the group (and an empty stream) unless it exists. `startId` is exclusive; '0' is the beginning, never '$'. */
  ensureGroup(ref: GroupRef, startId: string): Promise<'created' | 'exists'>;
  /**
   * New entries of several places for one consumer, at most `count` of each; waits up to `blockMs` for the
   * first. Never hangs longer than that plus a margin, also when the server is frozen.
   * At most one call at a time; one reader per consumer loop.
   * @throws GroupMissingError the group or stream is gone on the server (it went back in time, or someone deleted it).
   * @throws UnknownOutcomeError the reply was lost: entries may have been handed to this consumer, which come back
   * through {@link GroupReader.claim}.
   */
  read(request: {
    readonly group: string;
    readonly consumer: string;
    readonly from: readonly Pick<GroupRef, 'stream' | 'injected'>[];
    readonly count: number;
    readonly blockMs: number;
  }): Promise<Delivery[]>;
  /**
   * Takes over entries that nobody has touched for `minIdleMs`, one page of the pending list per call. Left alone are
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

/** A dead letter as it is to stand in its stream. */
export interface DeadLetterCopy {
  /** Those of its entry. */
  readonly fields: Readonly<Record<string, string>>;
  readonly details: DeadLetterDetails;
  /** Where it stood, if it did: nothing is added while it stands there. */
  readonly deadLetterId?: string | undefined;
}

/** An entry that is to be injected. */
export interface Injection {
  readonly fields: Readonly<Record<string, string>>;
  /** Empty for a redrive of live traffic. */
  readonly replayId: string;
  /** Where it was injected before: nothing is added while it stands there. */
  readonly injectId?: string | undefined;
  /** The dead letter that this takes the place of, deleted in the same step. */
  readonly deadLetterId?: string | undefined;
}

/** Whoever injects a replay. Of two that inject the same one, the higher token supersedes the lower. */
export interface ReplayHolder {
  readonly replay: string;
  /** A whole number. */
  readonly token: string;
}

/** The next entries of a replay. */
export interface ReplayPart extends ReplayHolder {
  /** Entry of the stream up to which the replay is injected. */
  readonly at: string;
  /** The same when this part is injected. */
  readonly to: string;
  /** What the entries have in `replay_id`; empty for those that count as live traffic. */
  readonly replayId: string;
  /** None are fine: the part then only moves on. They are added by one script, so let them be few hundred. */
  readonly entries: readonly Pick<StreamEntry, 'fields'>[];
  /** Nothing is added while so many entries are injected and not settled, whoever injected them. */
  readonly limit: number;
}

/** What became of a part. IDs are those of the inject stream. */
export type ReplayOutcome =
  | {
      /** `full`: nothing was added. */
      readonly outcome: 'injected' | 'full';
      /** Under which the replay injected last; `0-0` if it has injected nothing since it was first taken. */
      readonly lastId: string;
      /** Of the first entry that is not settled, whoever injected it; `null` if all are. */
      readonly firstId: string | null;
    }
  /** Nothing was added: another holder has taken the replay. */
  | { readonly outcome: 'superseded' }
  /** Nothing was added: what was injected last is not there, or the replay is elsewhere. It has to be taken again. */
  | { readonly outcome: 'lost' };

/**
 * The side of those who give entries up and bring them back. Every step may be repeated. Each is one script; where
 * thousands are given, one script for each some hundred, in their order, so that an error may come after the first of
 * them were dealt with.
 */
export interface EntryMover {
  /**
   * Looks through one page of the pending list, of what nobody has touched for `minIdleMs`, and returns what waits to be
   * dead-lettered (its failure is final, or it was handed out `maxDeliveries` times) or stands in its stream no longer.
   */
  givenUp(
    ref: GroupRef,
    request: {
      readonly minIdleMs: number;
      readonly maxDeliveries: number;
      readonly count: number;
      readonly cursor?: string | null;
    },
  ): Promise<{ readonly entries: readonly PendingEntry[]; readonly cursor: string | null }>;
  /**
   * Moves a pending entry to the group's dead letters: the copy, the acknowledgement, the end of its failure record.
   * Returns the ID of the dead letter, or `null` if that event is no longer pending under this ID: after a lost reply
   * also if it was moved.
   * @throws CommandRejectedError the entry has thousands of fields.
   */
  deadLetter(ref: GroupRef, entry: EntryName, details: DeadLetterDetails): Promise<string | null>;
  /**
   * Writes again those dead letters that do not stand. Returns the IDs of all, in order.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was written.
   */
  restore(ref: GroupRef, letters: readonly DeadLetterCopy[]): Promise<string[]>;
  /** Deletes dead letters, as far as they are of these events. Returns how many. */
  forget(ref: GroupRef, letters: readonly EntryName[]): Promise<number>;
  /**
   * Adds entries that only this group reads. Returns their IDs, in order. Who repeats it after a lost reply does not know
   * these IDs and adds the entries twice, which the inbox absorbs.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was written.
   */
  inject(ref: GroupRef, entries: readonly Injection[]): Promise<string[]>;
  /**
   * Supersedes whoever injected a replay under a lower token; `null` if a higher one has superseded this one. Tells up to
   * which entry it is injected, and under which ID it injected last: what is known to the server, which forgets it together
   * with what was injected, or else `handledTo`.
   */
  takeReplay(
    ref: GroupRef,
    request: ReplayHolder & { readonly handledTo: string },
  ): Promise<{ readonly at: string; readonly lastId: string } | null>;
  /**
   * Injects the next entries of a replay, all or none, and moves its mark on, in one step: only if it was taken under this
   * token and is where it is expected. A call whose reply was lost can therefore be repeated: it says `lost` if the part
   * was injected.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was injected.
   */
  injectReplay(ref: GroupRef, part: ReplayPart): Promise<ReplayOutcome>;
  /**
   * Forgets a replay. With `withdrawn`, what stands injected with this `replay_id` and nobody has read is taken back;
   * returns how many.
   */
  endReplay(ref: GroupRef, replay: string, options?: { readonly withdrawn?: string }): Promise<number>;
  /** How many entries are injected and not settled yet. */
  injectedCount(ref: GroupRef): Promise<number>;
  /** How many dead letters stand. */
  deadLetterCount(ref: GroupRef): Promise<number>;
  /**
   * Which of these entries do not stand among the group's dead letters, or among what is injected for it: no longer, or
   * for another event. Returns their IDs, in order. Costs no transport of what they hold.
   */
  absent(ref: GroupRef, from: 'dead-letters' | 'injected', entries: readonly EntryName[]): Promise<string[]>;
  /** Acknowledges entries that no longer stand in their stream. Returns how many were pending. */
  dropVanished(ref: GroupRef, ids: readonly string[]): Promise<number>;
  /** Removes a consumer name, if nothing is pending under it and it has been idle for so long, in one step. */
  removeIdleConsumer(ref: GroupRef, consumer: string, minIdleMs: number): Promise<boolean>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How far a group of a stream has come. */
export interface GroupPosition {
  readonly lastDeliveredId: string;
  /** `null` if nothing is pending. */
  readonly oldestPendingId: string | null;
}

/** What decides how far a stream may be trimmed, all of it at one instant. */
export interface TrimBounds {
  readonly length: number;
  readonly firstId: string | null;
  readonly lastId: string | null;
  /** What the stream takes up in memory, estimated by the server from a part of it. */
  readonly bytes: number;
  /** The server's time, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** The entry that was asked about stands under its event ID; false if none was. */
  readonly anchored: boolean;
  /** By source. */
  readonly writers: ReadonlyMap<string, WriterMark>;
  readonly trimmedTo: string | null;
  /** Those that were asked about; `null` for one that is not there. */
  readonly groups: ReadonlyMap<string, GroupPosition | null>;
}

/** The last events of sources in a part of a stream. */
export interface LastOfSources {
  /** The newest entry of that part; `null` if it has none. */
  readonly upTo: string | null;
  /** What an entry says of itself, as text. */
  readonly lastOf: ReadonlyMap<string, { readonly position: string; readonly eventId: string }>;
}

/** What became of a trim. `refused` means that nothing was trimmed, because somebody needs what would go. */
export type TrimResult =
  | { readonly outcome: 'trimmed'; readonly removed: number }
  | { readonly outcome: 'refused'; readonly reason: 'changed' }
  | { readonly outcome: 'refused'; readonly reason: 'group' | 'writer'; readonly name: string };

/**
 * The side of those who take old entries out of streams. An anchor is the last entry that is known to be in the archive: if
 * it stands under its ID and event, then everything before it is what was archived, since what a server loses is always
 * the end of its history.
 */
export interface StreamTrimmer {
  bounds(stream: string, groups: readonly string[], anchor?: EntryName): Promise<TrimBounds>;
  /**
   * The last event of each source behind one entry and below another, as long as the anchor stands; `null` if it does not.
   * It may stop looking when all of `sources` are found.
   */
  lastOfSources(
    stream: string,
    part: {
      readonly anchor: EntryName;
      /** Exclusive; `null` for the beginning. */
      readonly behind: string | null;
      /** Exclusive. */
      readonly below: string;
      readonly sources: ReadonlySet<string>;
    },
  ): Promise<LastOfSources | null>;
  /**
   * Takes out everything up to and including an entry, and marks the stream as trimmed up to there, if the anchor stands and
   * does not come before it, all of `groups` exist, all groups but `bystanders` have settled all that goes, and what each
   * source wrote last stays. A group that comes when the caller has made its lists is in neither, and keeps what it needs.
   */
  trim(
    stream: string,
    request: {
      readonly upTo: string;
      readonly anchor: EntryName;
      readonly groups: readonly string[];
      readonly bystanders: readonly string[];
    },
  ): Promise<TrimResult>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** What a stream looks like from outside. */
export interface StreamStatus {
  readonly stream: string;
  readonly exists: boolean;
  readonly length: number;
  readonly firstId: string | null;
  readonly lastId: string | null;
  /** By source. */
  readonly writers: ReadonlyMap<string, WriterMark>;
  readonly trimmedTo: string | null;
}

/** What a group looks like from outside. `lag` is `null` where the server cannot tell, which is not zero. */
export interface GroupStatus extends GroupRef {
  readonly pending: number;
  readonly lag: number | null;
  readonly lastDeliveredId: string;
  /** The lowest entry ID that is pending. `null` if none is. */
  readonly oldestPendingId: string | null;
  readonly oldestPendingIdleMs: number | null;
  readonly consumers: readonly { readonly name: string; readonly pending: number; readonly idleMs: number }[];
  /** Pending entries that will not be retried. */
  readonly failed: number;
}

/** How a server is doing, as it says itself. */
export interface ServerFigures {
  readonly usedMemoryBytes: number;
  /** `null` where the server sets itself no limit. */
  readonly maxMemoryBytes: number | null;
  readonly opsPerSecond: number;
  /** How many seconds ago each replica was last heard of, by its address. */
  readonly replicaLagSeconds: ReadonlyMap<string, number>;
}

/** Read-only looks for operators and monitors. */
export interface StreamObserver {
  stream(stream: string): Promise<StreamStatus>;
  groups(stream: string): Promise<GroupStatus[]>;
  /** The same of what is injected for one group; `null` if it does not read that place (yet). */
  injected(stream: string, group: string): Promise<GroupStatus | null>;
  /** One page of a pending list, oldest first, with the recorded failures; a full page may not be the last. */
  pending(ref: GroupRef, after: string | null, count: number): Promise<PendingEntry[]>;
  /** Entries with `from <= id <= to`, at most `count`, in order; `-` and `+` are the ends, `(` before an ID leaves it out. */
  range(stream: string, from: string, to: string, count: number): Promise<StreamEntry[]>;
  /** The newest entries, oldest of them first; with `before`, the newest of those below that ID. */
  newest(stream: string, count: number, before?: string): Promise<StreamEntry[]>;
  /** Waits up to `blockMs` for entries after `afterId`. */
  follow(stream: string, afterId: string, blockMs: number): Promise<StreamEntry[]>;
  /** Name and version of the server, for people. */
  server(): Promise<string>;
  figures(): Promise<ServerFigures>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How events travel. Implemented on Redis Streams and in memory; both pass the same conformance suite. */
export interface EventTransport {
  writer(): StreamWriter;
  reader(): GroupReader;
  mover(): EntryMover;
  observer(): StreamObserver;
  trimmer(): StreamTrimmer;
  /** Closes all that it gave out. Idempotent. */
  close(): Promise<void>;
}
