import type { StreamEntry } from '@event-bus/transport';

/** What is injected at once. */
export interface Batch {
  /** The entry with which it ends, wanted or not. */
  readonly to: string;
  readonly entries: readonly StreamEntry[];
  readonly bytes: number;
  /** How many entries were looked at for it. */
  readonly scanned: number;
}

/** When a batch is full. */
export interface BatchLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly scanned: number;
}

/** Divides what is wanted of a sequence into batches, never between two entries of one ID. */
export async function* batchesOf(
  entries: AsyncIterable<StreamEntry>,
  isWanted: (entry: StreamEntry) => boolean,
  limits: BatchLimits,
): AsyncGenerator<Batch> {
  let wanted: StreamEntry[] = [];
  let [to, bytes, scanned] = ['', 0, 0];
  for await (const entry of entries) {
    const isFull = wanted.length >= limits.entries || bytes >= limits.bytes || scanned >= limits.scanned;
    if (isFull && entry.id !== to) {
      yield { to, entries: wanted, bytes, scanned };
      wanted = [];
      [bytes, scanned] = [0, 0];
    }
    to = entry.id;
    scanned += 1;
    if (!isWanted(entry)) continue;
    wanted.push(entry);
    bytes += bytesOf(entry);
  }
  if (scanned > 0) yield { to, entries: wanted, bytes, scanned };
}

function bytesOf({ fields }: StreamEntry): number {
  return Object.values(fields).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
}
