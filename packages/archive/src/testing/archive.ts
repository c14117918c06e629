import type { StreamEntry } from '@event-bus/transport';
import { type ReadRange, readEntries } from '../read-entries.ts';
import type { ArchiveStore } from '../store/store.ts';
import type { WrittenObject } from '../store-object.ts';
import { type WriteOptions, writeEntries } from '../write-entries.ts';
import { STREAM } from './entries.ts';

/** Writes entries of the usual stream, from its beginning unless told otherwise. */
export function write(
  store: ArchiveStore,
  entries: WriteOptions['entries'],
  options: Partial<WriteOptions> = {},
): Promise<WrittenObject[]> {
  return Array.fromAsync(writeEntries(store, { stream: STREAM, after: '0-0', entries, ...options }));
}

/** All entries of a range of the usual stream, with what the reading says of itself at the end. */
export async function read(
  store: ArchiveStore,
  range: Partial<ReadRange> = {},
): Promise<{ entries: StreamEntry[]; from: string | null; to: string | null }> {
  const reading = readEntries(store, { stream: STREAM, ...range });
  const entries = await Array.fromAsync(reading);
  return { entries, from: reading.coveredFrom, to: reading.coveredTo };
}
