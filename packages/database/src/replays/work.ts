import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from '../schema.ts';
import { type Replay, type ReplayEnd, type ReplayProgress, withStreams } from './replay.ts';

/** Who works on a replay: nobody else holds this token. */
export interface ReplayClaim {
  readonly id: string;
  readonly token: string;
}

/** The replays that somebody has to work on, oldest first. */
export async function openReplays(db: Kysely<BusDatabase>): Promise<string[]> {
  const rows = await db
    .selectFrom('replays')
    .select('id')
    .where('state', 'in', ['queued', 'running'])
    .orderBy('requested_at')
    .execute();
  return rows.map(({ id }) => id);
}

/** Takes a replay over from whoever works on it. `undefined` if there is nothing to be done for it. */
export async function claimReplay(db: Kysely<BusDatabase>, id: string): Promise<Replay | undefined> {
  const rows = await db
    .updateTable('replays')
    .set({
      state: 'running',
      token: sql`token + 1`,
      started_at: sql<Date>`coalesce(started_at, clock_timestamp())`,
    })
    .where('id', '=', id)
    .where('state', 'in', ['queued', 'running'])
    .returningAll()
    .execute();
  return (await withStreams(db, rows))[0];
}

/** What is noted of one stream. */
export type ReplayNote = Partial<ReplayProgress> & {
  readonly isDone?: true;
  readonly lastId?: string;
  readonly ends?: readonly ReplayEnd[];
};

/** Notes how far a replay is on a stream. Returns whether the claim still holds: if not, nothing was noted. */
export async function noteReplay(
  db: Kysely<BusDatabase>,
  { id, token }: ReplayClaim,
  stream: string,
  note: ReplayNote,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('replay_streams')
    .from('replays')
    .set({
      // So that it is never empty.
      stream,
      ...(note.injectedTo !== undefined && { injected_to: note.injectedTo }),
      ...(note.handledTo !== undefined && { handled_to: note.handledTo }),
      ...(note.scanned !== undefined && { scanned: note.scanned }),
      ...(note.injected !== undefined && { injected: note.injected }),
      ...(note.handled !== undefined && { handled: note.handled }),
      ...(note.lastId !== undefined && { last_id: note.lastId }),
      ...(note.ends !== undefined && { ends: JSON.stringify(note.ends) }),
      ...(note.isDone !== undefined && { is_done: true }),
    })
    .whereRef('replays.id', '=', 'replay_streams.replay_id')
    .where('replays.id', '=', id)
    .where('replays.token', '=', token)
    .where('replays.state', '=', 'running')
    .where('replay_streams.stream', '=', stream)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Ends a replay: done if all its streams are, or failed for a reason. Returns whether the claim still held. */
export async function endReplay(
  db: Kysely<BusDatabase>,
  { id, token }: ReplayClaim,
  error: string | null,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('replays')
    .set({ state: error === null ? 'done' : 'failed', error, ended_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('token', '=', token)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
