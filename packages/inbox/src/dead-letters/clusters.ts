import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { LetterQuery } from './look.ts';
import { fits, inStates } from './selection.ts';

/** Letters of one group that failed alike. */
export interface LetterCluster {
  readonly group: string;
  readonly fingerprint: string;
  readonly letters: number;
  /** Of these, how many are just being redriven. */
  readonly redriving: number;
  readonly aggregates: number;
  readonly kinds: readonly string[];
  readonly eventTypes: readonly string[];
  readonly firstAt: Date;
  readonly lastAt: Date;
  /** Those of one of them. */
  readonly error: string;
  readonly reason: string;
  readonly eventId: string;
}

/** Letters by how they failed, the largest clusters first, at most `limit`; and how many clusters there are. */
export async function clusterLetters(
  db: Kysely<BusDatabase>,
  { selection, states }: LetterQuery,
  limit: number,
): Promise<{ readonly clusters: readonly LetterCluster[]; readonly total: number }> {
  const { rows } = await sql<LetterCluster & { clusters: number }>`
    with clusters as (
      select d.consumer_group, d.fingerprint, count(*)::integer as letters,
        (count(*) filter (where d.state = 'redriving'))::integer as redriving,
        (count(distinct (d.aggregate_type, d.aggregate_id)))::integer as aggregates,
        array_agg(distinct d.kind) as kinds, array_agg(distinct d.event_type) as event_types,
        min(d.dead_at) as first_at, max(d.dead_at) as last_at,
        min(d.event_id::text || ' ' || d.replay_id) as example, (count(*) over ())::integer as clusters
      from dead_letters d where ${fits(selection)} and ${inStates(states)}
      group by d.consumer_group, d.fingerprint
      order by letters desc, last_at desc limit ${limit}
    )
    select c.consumer_group as "group", c.fingerprint, c.letters, c.redriving, c.aggregates, c.kinds,
      c.event_types as "eventTypes", c.first_at as "firstAt", c.last_at as "lastAt", d.error, d.reason,
      d.event_id::text as "eventId", c.clusters
    from clusters c join dead_letters d on d.consumer_group = c.consumer_group
      and d.event_id = split_part(c.example, ' ', 1)::uuid
      and d.replay_id = substr(c.example, strpos(c.example, ' ') + 1)
    order by c.letters desc, c.last_at desc, c.fingerprint`.execute(db);
  return {
    clusters: rows.map(({ clusters: _clusters, ...cluster }) => cluster),
    total: rows[0]?.clusters ?? 0,
  };
}
