import type { StreamRetention } from '@event-bus/database';
import {
  after,
  batchOf,
  count,
  isInLog,
  type RecordedBatch,
  type RecordedPositions,
} from '@event-bus/outbox/log';
import { compareEntryIds } from '@event-bus/transport';
import type { Pool } from 'pg';

/** What of an outbox was taken out of a stream on purpose, and is not to be written again. */
export interface Trimmed {
  /** All batches up to this number; 0 for none. */
  readonly through: number;
  /** Of the batch behind them, the events up to a position; `undefined` if that is whole. */
  readonly partly: { readonly number: number; readonly position: number } | undefined;
}

/**
 * Finds what was trimmed, in terms of batches: the entry IDs of a stream that was rebuilt are others, its events are the
 * same. Up to which ID a stream was trimmed tells nothing of an outbox: it lost all with Redis, say, another one wrote
 * to the stream since, and of that was trimmed.
 */
export async function findTrimmed(
  pool: Pool,
  source: string,
  newest: RecordedBatch,
  retention: StreamRetention | undefined,
): Promise<Trimmed> {
  const last = retention?.sources.get(source)?.trimmed ?? null;
  if (last === null) return { through: 0, partly: undefined };
  const found = await batchOf(pool, newest.stream, last);
  if (found === undefined) {
    // Written behind all that is recorded, by one that died; or else pruned since, with its batch and all before it.
    const isBehind = await isInLog(pool, last.eventId);
    return { through: isBehind ? newest.number : 0, partly: undefined };
  }
  const { number, lastPosition } = found;
  return last.position === lastPosition
    ? { through: number, partly: undefined }
    : { through: number - 1, partly: { number, position: last.position } };
}

/** Whether nothing of a batch is to be in the stream any more. */
export function isTrimmed({ number }: RecordedBatch, { through }: Trimmed): boolean {
  return number <= through;
}

/** The batch without what was trimmed of it. */
export function untrimmed(batch: RecordedPositions, { partly }: Trimmed): RecordedPositions {
  if (batch.number !== partly?.number) return batch;
  const positions = after(partly.position, batch.positions);
  return { ...batch, positions, events: count(positions) };
}

/** The highest entry ID that a stream is known to have handed out; `0-0` if none is. */
export function highestId(newest: RecordedBatch | undefined, retention: StreamRetention | undefined): string {
  const known = [newest?.lastId, retention?.archived?.entryId, retention?.trimmedTo];
  return known.reduce<string>(
    (highest, id) => (id != null && compareEntryIds(id, highest) > 0 ? id : highest),
    '0-0',
  );
}
