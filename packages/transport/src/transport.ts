import type { EntryMover } from './roles/mover.ts';
import type { StreamObserver } from './roles/observer.ts';
import type { GroupReader } from './roles/reader.ts';
import type { StreamTrimmer } from './roles/trimmer.ts';
import type { StreamWriter } from './roles/writer.ts';

export type * from './roles/entries.ts';
export type * from './roles/mover.ts';
export type * from './roles/observer.ts';
export type * from './roles/reader.ts';
export type * from './roles/trimmer.ts';
export type * from './roles/writer.ts';

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
