import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { type LetterRecord, recordColumns } from './record.ts';
import {
  byCutOff,
  type FrozenSelection,
  fits,
  inOrder,
  inStates,
  type LetterSelection,
  type LetterState,
} from './selection.ts';

/** The database's clock, as text that loses nothing. */
export async function readClock(db: Kysely<BusDatabase>): Promise<string> {
  const { rows } = await sql<{ now: string }>`select clock_timestamp()::text as now`.execute(db);
  return rows[0]?.now ?? '';
}

/** Which letters to look at. */
export interface LetterQuery {
  readonly selection: LetterSelection;
  readonly states: readonly LetterState[];
}

/** Letters, and how many there are in all. */
export interface LetterPage {
  readonly letters: readonly LetterRecord[];
  readonly total: number;
}

/** Letters, those that were given up last first, at most `limit`. */
export async function listLetters(
  db: Kysely<BusDatabase>,
  { selection, states }: LetterQuery,
  limit: number,
): Promise<LetterPage> {
  const from = sql`from dead_letters d where ${fits(selection)} and ${inStates(states)}`;
  const { rows: letters } = await sql<LetterRecord>`
    select ${recordColumns} ${from}
    order by d.dead_at desc, d.event_id desc, d.consumer_group, d.replay_id limit ${limit}`.execute(db);
  const { rows } = await sql<{ total: string }>`select count(*) as total ${from}`.execute(db);
  return { letters, total: Number(rows[0]?.total ?? 0) };
}

/** All letters of an event: one per group that gave it up, and per replay. */
export async function findLetters(db: Kysely<BusDatabase>, eventId: string): Promise<LetterRecord[]> {
  const { rows } = await sql<LetterRecord>`
    select ${recordColumns} from dead_letters d where ${fits({ eventIds: [eventId] })}
    order by ${inOrder}`.execute(db);
  return rows;
}

/**
 * Letters in the order of their events, those that were given up by the cut-off, a page at a time. What becomes of those
 * that were yielded does not matter to the next page.
 */
export async function* pagesInOrder(
  db: Kysely<BusDatabase>,
  { selection, cutOff, states }: FrozenSelection & Pick<LetterQuery, 'states'>,
  { pageSize, limit }: { readonly pageSize: number; readonly limit: number },
): AsyncGenerator<readonly LetterRecord[], void> {
  let after = sql`true`;
  for (let left = limit; left > 0; ) {
    const size = Math.min(pageSize, left);
    const { rows } = await sql<LetterRecord>`
      select ${recordColumns} from dead_letters d
      where ${fits(selection)} and ${inStates(states)} and ${byCutOff(cutOff)} and ${after}
      order by ${inOrder} limit ${size}`.execute(db);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < size) return;
    left -= rows.length;
    const { group, position, eventId, replayId } = last;
    after = sql`(${inOrder}) > (${group}, ${position ?? '0'}::bigint, ${eventId}::uuid, ${replayId})`;
  }
}
