import type { EntryName } from './entries.ts';
import type { WriterMark } from './writer.ts';

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
