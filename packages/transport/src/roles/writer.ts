import type { EntryValues, StreamEntry } from '../entry.ts';

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
  /**
   * The entry that was asked about stands under its event ID; `null` if none was. One that was trimmed does not: whether
   * one of a stream that may have gone back was, its ID does not tell.
   */
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
