import { type Kysely, sql, type Transaction } from 'kysely';
import type { BusDatabase } from '../schema.ts';
import type { ReplayFilter, ReplayRange, ReplayState } from './replay.ts';

/** A replay that is asked for. */
export interface NewReplay {
  readonly group: string;
  readonly topic: string;
  readonly filter: ReplayFilter;
  readonly rate: number | null;
  readonly requestedBy: string;
  readonly reason: string | null;
  readonly ranges: readonly ReplayRange[];
}

/** Asks for a replay, in the transaction in which that is recorded. Returns its ID. */
export async function insertReplay(trx: Transaction<BusDatabase>, replay: NewReplay): Promise<string> {
  const { filter } = replay;
  const { id } = await trx
    .insertInto('replays')
    .values({
      kind: 'replay',
      consumer_group: replay.group,
      topic: replay.topic,
      occurred_from: filter.occurredFrom,
      occurred_to: filter.occurredTo,
      event_type: filter.eventType,
      tenant_id: filter.tenantId,
      aggregate_id: filter.aggregateId,
      rate: replay.rate,
      requested_by: replay.requestedBy,
      reason: replay.reason,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertRanges(trx, id, replay.ranges);
  return id;
}

/**
 * Asks for the history of a group that starts from the archive, of all its streams: once. A stream that was added to the
 * group later gets its own, whatever has become of the others'. Those that are asked for already stay as they are.
 */
export async function requestHistory(
  db: Kysely<BusDatabase>,
  { group, streams }: { readonly group: string; readonly streams: readonly string[] },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { id } = await trx
      .insertInto('replays')
      .values({ kind: 'history', consumer_group: group, requested_by: 'its runner' })
      .onConflict((conflict) =>
        conflict
          .column('consumer_group')
          .where('kind', '=', 'history')
          .doUpdateSet((eb) => ({ requested_by: eb.ref('replays.requested_by') })),
      )
      .returning('id')
      .executeTakeFirstOrThrow();
    const added = await insertRanges(
      trx,
      id,
      streams.map((stream) => ({ stream, firstId: '0-0', lastId: null, ends: [] })),
    );
    if (added.length === 0) return;
    // Of a cancelled one only what is added is brought.
    await trx
      .updateTable('replay_streams')
      .from('replays')
      .set({ is_done: true })
      .whereRef('replays.id', '=', 'replay_streams.replay_id')
      .where('replays.id', '=', id)
      .where('replays.state', '=', 'cancelled')
      .where('replay_streams.stream', 'not in', added)
      .execute();
    await trx
      .updateTable('replays')
      // Whoever works on it knows nothing of what was added, and is superseded.
      .set({ state: 'queued', ended_at: null, token: sql`token + 1` })
      .where('id', '=', id)
      .where('state', 'in', ['done', 'running', 'cancelled'])
      .execute();
  });
}

/** Returns the streams of those that were not there yet. */
async function insertRanges(
  trx: Transaction<BusDatabase>,
  replayId: string,
  ranges: readonly ReplayRange[],
): Promise<string[]> {
  const rows = await trx
    .insertInto('replay_streams')
    .values(
      ranges.map(({ stream, firstId, lastId, ends }) => ({
        replay_id: replayId,
        stream,
        first_id: firstId,
        last_id: lastId,
        ends: JSON.stringify(ends),
        injected_to: firstId,
        handled_to: firstId,
      })),
    )
    .onConflict((conflict) => conflict.columns(['replay_id', 'stream']).doNothing())
    .returning('stream')
    .execute();
  return rows.map(({ stream }) => stream);
}

/**
 * Changes the state of a replay, if it is in one of `from`. Whoever works on it is superseded. Returns whether it was
 * changed, and the token that supersedes.
 */
export async function changeReplay(
  trx: Transaction<BusDatabase>,
  id: string,
  change: { readonly from: readonly ReplayState[]; readonly to: 'queued' | 'paused' | 'cancelled' },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('replays')
    .set({
      state: change.to,
      token: sql`token + 1`,
      error: null,
      ended_at: change.to === 'cancelled' ? sql<Date>`clock_timestamp()` : null,
    })
    .where('id', '=', id)
    .where('state', 'in', [...change.from])
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The streams whose history a group that starts from the archive has not been through yet. */
export async function openHistory(db: Kysely<BusDatabase>, group: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('replay_streams')
    .innerJoin('replays', 'replays.id', 'replay_streams.replay_id')
    .select('stream')
    .where('kind', '=', 'history')
    .where('consumer_group', '=', group)
    .where('state', '<>', 'cancelled')
    .where('is_done', '=', false)
    .execute();
  return new Set(rows.map(({ stream }) => stream));
}
