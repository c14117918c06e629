import type { StreamEntry } from '../entry.ts';
import type { GroupRef, PendingEntry } from './entries.ts';
import type { WriterMark } from './writer.ts';

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

/** How far a group has come. Whatever it does meanwhile, it has acknowledged all that is below both. */
export interface GroupProgress {
  /** It has been handed out all up to there. */
  readonly lastDeliveredId: string;
  /** The lowest entry ID that is pending, looked at after that. `null` if none is. */
  readonly oldestPendingId: string | null;
}

/** What a group looks like from outside. `lag` is `null` where the server cannot tell, which is not zero. */
export interface GroupStatus extends GroupRef, GroupProgress {
  readonly pending: number;
  readonly lag: number | null;
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

/** A key of a stream under which something else was stored. */
export interface OddKey {
  readonly key: string;
  /** Its types, as Redis names them. */
  readonly is: string;
  readonly shouldBe: string;
}

/** Read-only looks for operators and monitors. */
export interface StreamObserver {
  stream(stream: string): Promise<StreamStatus>;
  groups(stream: string): Promise<GroupStatus[]>;
  /** The same of what is injected for one group; `null` if it does not read that place (yet). */
  injected(stream: string, group: string): Promise<GroupStatus | null>;
  /** The names of a stream's groups, for those who need no more: it takes one command. */
  groupNames(stream: string): Promise<string[]>;
  /** How far a group has come in a place, with two; `null` if it does not read there (yet). */
  progress(ref: GroupRef): Promise<GroupProgress | null>;
  /** The keys of a stream under which something else was stored: what touches one of them is rejected. */
  oddKeys(stream: string): Promise<OddKey[]>;
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
