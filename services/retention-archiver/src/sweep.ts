import type { ArchiveStore, Retention } from '@event-bus/archive';
import type { TopicRetention } from '@event-bus/contracts';
import type { ArchivedMark, BusDatabase } from '@event-bus/database';
import type { EntryName, StreamObserver, StreamTrimmer } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { ArchiverObserver } from './observer.ts';

/** What a sweep works with. */
export interface SweepParts {
  readonly bus: Kysely<BusDatabase>;
  readonly store: ArchiveStore;
  readonly streams: StreamObserver;
  readonly trimmer: StreamTrimmer;
  readonly observer: ArchiverObserver;
  /** An hour is archived when it has been over for so long. */
  readonly archiveAfterMs: number;
  /** How large an object may become, uncompressed. */
  readonly maxObjectBytes: number;
  /** Locks the objects of topics marked `compliance`. */
  readonly lock: Retention['mode'] | undefined;
}

/** One stream of a topic that is swept. */
export interface SweptStream {
  readonly stream: string;
  readonly topic: string;
  readonly policy: TopicRetention;
}

/** A sweep under way: the stream, as it was found. */
export interface Sweep extends SweepParts, SweptStream {
  /** The lowest entry ID within the hot window. */
  readonly windowFrom: string;
  readonly signal: AbortSignal;
}

/** Where the archive and the stream are the same up to. */
export interface Progress {
  /** As it is recorded; `null` if nothing is. */
  readonly recorded: ArchivedMark | null;
  /** Everything up to here is archived. With its event if it stands in the stream. */
  readonly reached: EntryName | string;
}

/** The name of the entry that is archived last. */
export function nameOf(mark: ArchivedMark | null): EntryName | undefined {
  return mark === null ? undefined : { id: mark.entryId, eventId: mark.eventId };
}

/** An entry ID, with its event or without. */
export function idOf(reached: Progress['reached']): string {
  return typeof reached === 'string' ? reached : reached.id;
}
