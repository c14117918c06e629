import { type Kysely, type Selectable, sql } from 'kysely';
import type { BusDatabase, ReplayStreamsTable, ReplaysTable } from '../schema.ts';

/**
 * What a replay is doing. From `paused` and `failed` it can go on, from `cancelled` and `done` it cannot, unless it is a
 * history that is given another stream.
 */
export type ReplayState = Selectable<ReplaysTable>['state'];

/** Which events of its streams a replay brings. Empty filters are `null`. */
export interface ReplayFilter {
  /** By the events' own time, both included; `null`: the range goes by entry IDs. */
  readonly occurredFrom: Date | null;
  readonly occurredTo: Date | null;
  readonly eventType: string | null;
  readonly tenantId: string | null;
  readonly aggregateId: string | null;
}

/** A range of one stream. Entry IDs. */
export interface ReplayRange {
  readonly stream: string;
  /** Exclusive. */
  readonly firstId: string;
  /** Inclusive; `null`: up to where the stream begins that is not in the archive alone. */
  readonly lastId: string | null;
  /** The last event of each source when the replay was asked for. */
  readonly ends: readonly ReplayEnd[];
}

/** An event that stands at, or behind, the end of a range. */
export interface ReplayEnd {
  readonly entryId: string;
  readonly eventId: string;
}

/** How far a replay is on one stream. */
export interface ReplayProgress {
  readonly injectedTo: string;
  /** Up to here everything is settled by the group. */
  readonly handledTo: string;
  /** Entries looked at, injected, and settled; those that were injected again count again. */
  readonly scanned: number;
  readonly injected: number;
  readonly handled: number;
}

/** One stream of a replay. */
export interface ReplayStream extends ReplayRange, ReplayProgress {
  readonly isDone: boolean;
}

/** A replay, or the history of a group that starts from the archive. */
export interface Replay {
  readonly id: string;
  readonly kind: 'replay' | 'history';
  readonly group: string;
  /** `null`: all topics of the group. */
  readonly topic: string | null;
  readonly filter: ReplayFilter;
  /** Events per second; `null`: as fast as the group handles them. */
  readonly rate: number | null;
  readonly state: ReplayState;
  /** Who has taken it over last. */
  readonly token: string;
  readonly error: string | null;
  readonly requestedBy: string;
  readonly reason: string | null;
  readonly requestedAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly streams: readonly ReplayStream[];
}

/** Replays, the newest first. */
export async function loadReplays(
  db: Kysely<BusDatabase>,
  {
    group,
    states,
    limit,
  }: {
    readonly group?: string | undefined;
    readonly states?: readonly ReplayState[];
    readonly limit: number;
  },
): Promise<Replay[]> {
  let query = db.selectFrom('replays').selectAll().orderBy('requested_at', 'desc').limit(limit);
  if (group !== undefined) query = query.where('consumer_group', '=', group);
  if (states !== undefined) query = query.where('state', 'in', [...states]);
  return withStreams(db, await query.execute());
}

/** One replay, or `undefined`. */
export async function loadReplay(db: Kysely<BusDatabase>, id: string): Promise<Replay | undefined> {
  const rows = await db.selectFrom('replays').selectAll().where('id', '=', id).execute();
  return (await withStreams(db, rows))[0];
}

/** Adds to rows of `replays` what is known per stream. */
export async function withStreams(
  db: Kysely<BusDatabase>,
  rows: readonly Selectable<ReplaysTable>[],
): Promise<Replay[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const streams = await db
    .selectFrom('replay_streams')
    .selectAll()
    .where('replay_id', 'in', ids)
    .orderBy('stream')
    .execute();
  const byReplay = Map.groupBy(streams, (row) => row.replay_id);
  return rows.map((row) => toReplay(row, byReplay.get(row.id) ?? []));
}

function toReplay(row: Selectable<ReplaysTable>, streams: readonly Selectable<ReplayStreamsTable>[]): Replay {
  return {
    id: row.id,
    kind: row.kind,
    group: row.consumer_group,
    topic: row.topic,
    filter: {
      occurredFrom: row.occurred_from,
      occurredTo: row.occurred_to,
      eventType: row.event_type,
      tenantId: row.tenant_id,
      aggregateId: row.aggregate_id,
    },
    rate: row.rate,
    state: row.state,
    token: row.token,
    error: row.error,
    requestedBy: row.requested_by,
    reason: row.reason,
    requestedAt: row.requested_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    streams: streams.map((stream) => ({
      stream: stream.stream,
      firstId: stream.first_id,
      lastId: stream.last_id,
      ends: stream.ends,
      injectedTo: stream.injected_to,
      handledTo: stream.handled_to,
      scanned: Number(stream.scanned),
      injected: Number(stream.injected),
      handled: Number(stream.handled),
      isDone: stream.is_done,
    })),
  };
}

/** Replays of a group that somebody has to look after. */
export interface GroupReplays {
  readonly group: string;
  /** Asked for or resumed, and not taken up yet. */
  readonly queued: number;
  /** Ended before they were through, and neither resumed nor cancelled. */
  readonly failed: number;
}

/** Counts the replays of all registered groups that are queued or have failed; the histories of groups count with them. */
export async function countReplays(db: Kysely<BusDatabase>): Promise<GroupReplays[]> {
  const { rows } = await sql<GroupReplays>`
    select g.name as "group", (count(*) filter (where r.state = 'queued'))::int as queued,
      (count(*) filter (where r.state = 'failed'))::int as failed
    from consumer_groups g
    left join replays r on r.consumer_group = g.name and r.state in ('queued', 'failed')
    group by g.name order by g.name`.execute(db);
  return rows;
}
