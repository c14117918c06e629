import type { EntryValues, StreamEntry } from './entry.ts';

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
  /** How often this entry was handed out, this time included. */
  readonly deliveries: number;
}

/** The last failure of a pending entry, kept beside the stream so that it outlives the runner that saw it. */
export interface FailureRecord {
  /** Of the entry that failed. Entry IDs can be handed out twice after a failover: compare before use. */
  readonly eventId: string;
  /** Attempts that ended in the handler's error or timeout. */
  readonly attempts: number;
  /** No further attempt will be made: the entry waits to be dead-lettered. */
  readonly final: boolean;
  readonly reason: string;
  readonly error: string;
  /** Milliseconds since the epoch. */
  readonly failedAt: number;
  /** Milliseconds since the epoch; the next attempt is not before. */
  readonly dueAt: number;
}

/** One group of one stream. */
export interface GroupRef {
  readonly stream: string;
  readonly group: string;
}

/** One page of a claim. */
export interface ClaimPage {
  /** Now this consumer's, their delivery counted. */
  readonly deliveries: readonly Delivery[];
  /** Were pending but no longer stand in the stream: acknowledged and gone. */
  readonly vanished: readonly string[];
  /** Pass it to the next call; `null` when the whole pending list was seen. */
  readonly cursor: string | null;
}

/** The consuming side, for any number of groups and streams. */
export interface GroupReader {
  /** Creates the group (and an empty stream) unless it exists. `startId` is exclusive; '0' is the beginning, never '$'. */
  ensureGroup(ref: GroupRef, startId: string): Promise<'created' | 'exists'>;
  /**
   * New entries of several streams for one consumer, at most `count` per stream; waits up to `blockMs` for the
   * first. Never hangs longer than that plus a margin, also when the server is frozen.
   * At most one call at a time; one reader per consumer loop.
   * @throws GroupMissingError the group or stream is gone on the server (it went back in time, or someone deleted it).
   * @throws UnknownOutcomeError the reply was lost: entries may have been handed to this consumer, which come back
   * through {@link GroupReader.claim}.
   */
  read(request: {
    readonly group: string;
    readonly consumer: string;
    readonly streams: readonly string[];
    readonly count: number;
    readonly blockMs: number;
  }): Promise<Delivery[]>;
  /**
   * Takes over entries that nobody has touched for `minIdleMs`, one page of the pending list per call.
   * Entries whose failure record is `final` are left alone.
   */
  claim(
    ref: GroupRef,
    request: {
      readonly consumer: string;
      readonly minIdleMs: number;
      readonly count: number;
      readonly cursor?: string | null;
    },
  ): Promise<ClaimPage>;
  /** Keeps entries claimed: resets their idle time, if they are still this consumer's. Returns those that are. */
  keep(ref: GroupRef, consumer: string, ids: readonly string[]): Promise<string[]>;
  /** Acknowledges and forgets their failures. Returns how many were pending. */
  acknowledge(ref: GroupRef, ids: readonly string[]): Promise<number>;
  /**
   * Hands entries back at once, without counting their delivery: the next `claim` of any consumer gets them,
   * whatever its `minIdleMs`. Only those that are still this consumer's. Returns how many.
   */
  release(ref: GroupRef, consumer: string, ids: readonly string[]): Promise<number>;
  /** Records failures of pending entries, by entry ID. An entry that is no longer pending gets none. */
  recordFailures(ref: GroupRef, failures: ReadonlyMap<string, FailureRecord>): Promise<void>;
  /** The recorded failures of these entries. */
  failures(ref: GroupRef, ids: readonly string[]): Promise<Map<string, FailureRecord>>;
  /** Removes a consumer name, if nothing is pending under it, in one step. Returns whether the name is gone. */
  removeConsumer(ref: GroupRef, consumer: string): Promise<boolean>;
  /** Answers when the server does. */
  ping(): Promise<void>;
  /** Idempotent, also while a read blocks. */
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
  readonly oldestPendingIdleMs: number | null;
  readonly consumers: readonly { readonly name: string; readonly pending: number; readonly idleMs: number }[];
  /** Pending entries that will not be retried. */
  readonly failed: number;
}

/** Read-only looks for operators and monitors. */
export interface StreamObserver {
  stream(stream: string): Promise<StreamStatus>;
  groups(stream: string): Promise<GroupStatus[]>;
  range(stream: string, from: string, to: string, count: number): Promise<StreamEntry[]>;
  /** The newest entries, oldest of them first. */
  newest(stream: string, count: number): Promise<StreamEntry[]>;
  /** Waits up to `blockMs` for entries after `afterId`. */
  follow(stream: string, afterId: string, blockMs: number): Promise<StreamEntry[]>;
  /** Name and version of the server, for people. */
  server(): Promise<string>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How events travel. Implemented on Redis Streams and in memory; both pass the same conformance suite. */
export interface EventTransport {
  writer(): StreamWriter;
  reader(): GroupReader;
  observer(): StreamObserver;
  /** Closes all that it gave out. Idempotent. */
  close(): Promise<void>;
}
