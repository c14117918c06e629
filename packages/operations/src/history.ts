import { type BusDatabase, type HistoryFilter, loadHistory, type PastAction } from '@event-bus/database';
import type { Kysely } from 'kysely';

/**
 * What operators did, newest first, at most `limit`: each action is recorded in the database in which it changed
 * something.
 */
export async function readHistory(
  databases: readonly Kysely<BusDatabase>[],
  filter: HistoryFilter,
  limit: number,
): Promise<PastAction[]> {
  const found = await Promise.all(databases.map((db) => loadHistory(db, filter, limit)));
  return found
    .flat()
    .sort((a, b) => b.at.getTime() - a.at.getTime())
    .slice(0, limit);
}
