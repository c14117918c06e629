import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import type { LetterKey } from './redriving.ts';

/** The dead letters of one group on one stream. */
export interface LetterPlace {
  readonly group: string;
  readonly stream: string;
}

/** How many letters are open at a place, and how many of those are not known to stand in Redis. */
export interface OpenLetters extends LetterPlace {
  readonly dead: number;
  readonly deadWithoutCopy: number;
  readonly redriving: number;
  readonly redrivingNotInjected: number;
}

/** The places of a group that have open letters. */
export async function countOpenLetters(db: Kysely<BusDatabase>, group: string): Promise<OpenLetters[]> {
  const { rows } = await sql<OpenLetters>`
    select consumer_group as "group", stream,
      (count(*) filter (where state = 'dead'))::int as dead,
      (count(*) filter (where state = 'dead' and dlq_id is null))::int as "deadWithoutCopy",
      (count(*) filter (where state = 'redriving'))::int as redriving,
      (count(*) filter (where state = 'redriving' and inject_id is null))::int as "redrivingNotInjected"
    from dead_letters where consumer_group = ${group} and state in ('dead', 'redriving')
    group by consumer_group, stream order by stream`.execute(db);
  return rows;
}

/** How many letters of a group are open. */
export interface GroupLetters {
  readonly group: string;
  readonly dead: number;
  readonly redriving: number;
}

/** The same for every group whose inbox is in this database. */
export async function countOpenLettersOfAll(db: Kysely<BusDatabase>): Promise<GroupLetters[]> {
  const { rows } = await sql<GroupLetters>`
    select g.consumer_group as "group", (count(*) filter (where d.state = 'dead'))::int as dead,
      (count(*) filter (where d.state = 'redriving'))::int as redriving
    from inbox_groups g
    left join dead_letters d on d.consumer_group = g.consumer_group and d.state in ('dead', 'redriving')
    group by g.consumer_group order by g.consumer_group`.execute(db);
  return rows;
}

/** A dead letter with what its copy in Redis is made of. */
export interface DeadLetterRow extends LetterKey {
  readonly streamId: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly error: string;
  readonly deliveries: number;
  readonly consumer: string;
  readonly firstDeliveredAt: Date;
  readonly deadAt: Date;
  readonly dlqId: string | null;
}

/** Dead letters at a place, in the order of their keys, at most `limit` behind `after`. */
export async function loadDeadLetters(
  db: Kysely<BusDatabase>,
  { group, stream }: LetterPlace,
  after: LetterKey | null,
  limit: number,
): Promise<DeadLetterRow[]> {
  const rows = await db
    .selectFrom('dead_letters')
    .selectAll()
    .where('consumer_group', '=', group)
    .where('stream', '=', stream)
    .where('state', '=', 'dead')
    .$if(after !== null, (query) =>
      query.where(
        sql<boolean>`(event_id, replay_id) > (${after?.eventId ?? ''}::uuid, ${after?.replayId ?? ''})`,
      ),
    )
    .orderBy('event_id')
    .orderBy('replay_id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    group: row.consumer_group,
    eventId: row.event_id,
    replayId: row.replay_id,
    streamId: row.stream_id,
    fields: row.fields,
    reason: row.reason,
    error: row.error,
    deliveries: row.deliveries,
    consumer: row.consumer,
    firstDeliveredAt: row.first_delivered_at,
    deadAt: row.dead_at,
    dlqId: row.dlq_id,
  }));
}

/** A copy as it was found in Redis. */
export interface FoundCopy {
  readonly dlqId: string;
  /** That of the entry; of a foreign one it may be anything. */
  readonly eventId: string;
  readonly replayId: string;
  /** The ID the entry had. */
  readonly streamId: string;
}

/**
 * Notes where copies stand that were found in Redis, and returns those that are of no dead letter, or not the first one
 * of theirs: these are to be forgotten.
 */
export async function adoptCopies(
  db: Kysely<BusDatabase>,
  { group, stream }: LetterPlace,
  found: readonly FoundCopy[],
): Promise<FoundCopy[]> {
  if (found.length === 0) return [];
  const { rows } = await sql<{ dlq_id: string }>`
    with found as (
      select * from unnest(
        ${found.map(({ dlqId }) => dlqId)}::text[], ${found.map(({ eventId }) => eventId.toLowerCase())}::text[],
        ${found.map(({ replayId }) => replayId)}::text[], ${found.map(({ streamId }) => streamId)}::text[]
      ) with ordinality as f(dlq_id, event_id, replay_id, stream_id, n)
    ), matched as (
      select distinct on (d.event_id, d.replay_id) d.event_id, d.replay_id, d.dlq_id as known, f.dlq_id
      from found f join dead_letters d on d.consumer_group = ${group} and d.stream = ${stream} and d.state = 'dead'
        and (d.event_id::text = f.event_id and d.replay_id = f.replay_id
          -- An entry without a proper event ID is known by where it stood.
          or d.stream_id = f.stream_id and coalesce(d.fields->>'event_id', '') = f.event_id)
      order by d.event_id, d.replay_id, f.dlq_id is distinct from d.dlq_id, f.n
    ), noted as (
      update dead_letters d set dlq_id = m.dlq_id from matched m
      where d.consumer_group = ${group} and d.event_id = m.event_id and d.replay_id = m.replay_id and d.state = 'dead'
        and d.dlq_id is null
    )
    -- One whose letter knows another copy is not its.
    select dlq_id from matched where known is null or known = dlq_id`.execute(db);
  const adopted = new Set(rows.map((row) => row.dlq_id));
  return found.filter(({ dlqId }) => !adopted.has(dlqId));
}

/** Notes where the copies of dead letters stand. */
export async function noteCopies(
  db: Kysely<BusDatabase>,
  copies: readonly (LetterKey & { readonly dlqId: string })[],
): Promise<void> {
  if (copies.length === 0) return;
  await sql`
    update dead_letters d set dlq_id = c.dlq_id
    from unnest(
      ${copies.map(({ group }) => group)}::text[], ${copies.map(({ eventId }) => eventId)}::uuid[],
      ${copies.map(({ replayId }) => replayId)}::text[], ${copies.map(({ dlqId }) => dlqId)}::text[]
    ) as c(consumer_group, event_id, replay_id, dlq_id)
    where d.consumer_group = c.consumer_group and d.event_id = c.event_id and d.replay_id = c.replay_id
      and d.state = 'dead' and d.dlq_id is distinct from c.dlq_id`.execute(db);
}
