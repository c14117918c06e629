import { batchesBelow, type RecordedBatch } from '@event-bus/outbox/log';
import type { Pool } from 'pg';

const chunk = 200;

/** The newest batch of a stream, of those up to a number, for which something holds: its number, or 0 if there is none. */
export async function newestBatchOf(
  pool: Pool,
  stream: string,
  upTo: number,
  holds: (batch: RecordedBatch) => boolean,
): Promise<number> {
  for (let below = upTo + 1; ; ) {
    const batches = await batchesBelow(pool, stream, below, chunk);
    const found = batches.find(holds);
    if (found !== undefined) return found.number;
    const oldest = batches.at(-1);
    if (oldest === undefined) return 0;
    below = oldest.number;
  }
}
