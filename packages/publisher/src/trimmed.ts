import type { StreamRetention } from '@event-bus/database';
import { batchOf, isInLog, type RecordedBatch } from '@event-bus/outbox/log';
import { compareEntryIds } from '@event-bus/transport';
import type { Pool } from 'pg';
import { newestBatchOf } from './newest-batch-of.ts';

/**
 * Finds up to which batch of an outbox all was taken out of a stream on purpose and is not to be written again, as its number;
 * 0 for none. It goes by the source's last event that was trimmed: up to which ID a stream was trimmed tells nothing of an outbox by
 * itself. It lost all with Redis, say, another one wrote to the stream since, and of that was trimmed.
 *
 * Nor does that event prove that its batch is gone, or one before it: what was trimmed may be a copy that somebody wrote who died
 * before it was recorded, and that lacked what became visible since. So the batch has to end, as it is recorded, where the trim does
 * or before. Of the batch in which a trim ends all counts as lost: inboxes know what of it they have handled.
 */
export async function findTrimmed(
  pool: Pool,
  source: string,
  newest: RecordedBatch,
  retention: StreamRetention | undefined,
): Promise<number> {
  const last = retention?.sources.get(source)?.trimmed ?? null;
  const trimmedTo = retention?.trimmedTo ?? null;
  if (last === null || trimmedTo === null) return 0;
  const found = await batchOf(pool, newest.stream, last);
  // Written behind all that is recorded, by one that died; or else pruned since, with its batch and all before it.
  if (found === undefined && !(await isInLog(pool, last.eventId))) return 0;
  return newestBatchOf(
    pool,
    newest.stream,
    found ?? newest.number,
    ({ lastId }) => compareEntryIds(lastId, trimmedTo) <= 0,
  );
}

/** The highest entry ID that a stream is known to have handed out; `0-0` if none is. */
export function highestId(newest: RecordedBatch | undefined, retention: StreamRetention | undefined): string {
  const known = [newest?.lastId, retention?.archived?.entryId, retention?.trimmedTo];
  return known.reduce<string>(
    (highest, id) => (id != null && compareEntryIds(id, highest) > 0 ? id : highest),
    '0-0',
  );
}
