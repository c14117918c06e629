import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { storable } from './letter.ts';
import { entryEventId, isSettled, type LetterPlace } from './open-letters.ts';
import type { LetterKey } from './redriving.ts';

const uuidPattern = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const lowestUuid = '00000000-0000-0000-0000-000000000000';

/** A dead letter, and where its copy stands, as far as is known. */
export interface CopyKey extends LetterKey {
  readonly dlqId: string | null;
  /** The event ID that its entry carries; empty where it carries none. */
  readonly entryEventId: string;
}

/** Where a page of {@link loadCopyKeys} ended. */
export interface CopyCursor {
  readonly deadAt: string;
  readonly eventId: string;
  readonly replayId: string;
}

/**
 * The dead letters at a place, in the order in which they were given up, at most `limit` behind `after`; without those
 * that are just being moved.
 */
export async function loadCopyKeys(
  db: Kysely<BusDatabase>,
  { group, stream }: LetterPlace,
  after: CopyCursor | null,
  limit: number,
): Promise<{ readonly keys: readonly CopyKey[]; readonly cursor: CopyCursor | null }> {
  const { rows } = await sql<CopyKey & CopyCursor>`
    select consumer_group as "group", event_id::text as "eventId", replay_id as "replayId", dlq_id as "dlqId",
      ${entryEventId} as "entryEventId", dead_at::text as "deadAt"
    from dead_letters d
    where consumer_group = ${group} and stream = ${stream} and state in ('dead', 'redriving') and state = 'dead'
      and (dlq_id is not null or ${isSettled})
      and (dead_at, event_id, replay_id)
        > (${after?.deadAt ?? '-infinity'}::timestamptz, ${after?.eventId ?? lowestUuid}::uuid, ${after?.replayId ?? ''})
    order by dead_at, event_id, replay_id limit ${limit}`.execute(db);
  return { keys: rows, cursor: rows.length < limit ? null : (rows.at(-1) ?? null) };
}

/** A dead letter with what its copy in Redis is made of. */
export interface DeadLetterRow extends LetterKey {
  readonly dlqId: string | null;
  readonly streamId: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly error: string;
  readonly deliveries: number;
  readonly consumer: string;
  readonly firstDeliveredAt: Date;
  readonly deadAt: Date;
}

/** Those of these letters that are dead, in the order in which they were given up. */
export async function loadDeadLetters(
  db: Kysely<BusDatabase>,
  keys: readonly LetterKey[],
): Promise<DeadLetterRow[]> {
  const { rows } = await sql<DeadLetterRow>`
    select d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId",
      d.stream_id as "streamId", d.fields, d.reason, d.error, d.deliveries, d.consumer,
      d.first_delivered_at as "firstDeliveredAt", d.dead_at as "deadAt", d.dlq_id as "dlqId"
    from dead_letters d join unnest(
      ${keys.map(({ group }) => group)}::text[], ${keys.map(({ eventId }) => eventId)}::uuid[],
      ${keys.map(({ replayId }) => replayId)}::text[]
    ) as k(consumer_group, event_id, replay_id) using (consumer_group, event_id, replay_id)
    where d.state = 'dead' order by d.dead_at, d.event_id, d.replay_id`.execute(db);
  return rows;
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
export async function adoptCopies<Found extends FoundCopy>(
  db: Kysely<BusDatabase>,
  { group, stream }: LetterPlace,
  found: readonly Found[],
): Promise<readonly Found[]> {
  if (found.length === 0) return [];
  const { rows } = await sql<{ dlq_id: string }>`
    with found as (
      select f.*, case when event_id ~* ${uuidPattern} then event_id::uuid end as uuid from unnest(
        ${found.map(({ dlqId }) => dlqId)}::text[],
        ${found.map(({ eventId }) => storable(eventId))}::text[],
        ${found.map(({ replayId }) => storable(replayId))}::text[],
        ${found.map(({ streamId }) => storable(streamId))}::text[]
      ) with ordinality as f(dlq_id, event_id, replay_id, stream_id, n)
    ), by_event as (
      select f.dlq_id, f.n, d.event_id, d.replay_id, d.dlq_id as known
      from found f join dead_letters d on d.consumer_group = ${group} and d.event_id = f.uuid and d.replay_id = f.replay_id
      where d.stream = ${stream} and d.state = 'dead'
    ), by_place as (
      -- An entry without a proper event ID is known by where it stood. Looked for one by one: most are found by their events.
      select f.dlq_id, f.n, d.event_id, d.replay_id, d.dlq_id as known
      from found f cross join lateral (
        select d.event_id, d.replay_id, d.dlq_id from dead_letters d
        where d.consumer_group = ${group} and d.stream = ${stream} and d.state in ('dead', 'redriving') and d.state = 'dead'
          and d.stream_id = f.stream_id and ${entryEventId} = f.event_id
        limit 1
      ) d
      where f.n not in (select n from by_event)
    ), matched as (
      select distinct on (event_id, replay_id) event_id, replay_id, known, dlq_id
      from (select * from by_event union all select * from by_place) as candidates
      order by event_id, replay_id, dlq_id is distinct from known, n
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

/**
 * Notes where the copies of dead letters stand. Letters that somebody else has in hand are left out: their copies are
 * found and adopted later, if they still are dead then.
 */
export async function noteCopies(
  db: Kysely<BusDatabase>,
  copies: readonly (LetterKey & { readonly dlqId: string })[],
): Promise<void> {
  if (copies.length === 0) return;
  await sql`
    with free as (
      select d.consumer_group, d.event_id, d.replay_id, c.dlq_id
      from unnest(
        ${copies.map(({ group }) => group)}::text[], ${copies.map(({ eventId }) => eventId)}::uuid[],
        ${copies.map(({ replayId }) => replayId)}::text[], ${copies.map(({ dlqId }) => dlqId)}::text[]
      ) as c(consumer_group, event_id, replay_id, dlq_id)
      join dead_letters d using (consumer_group, event_id, replay_id)
      where d.state = 'dead' and d.dlq_id is distinct from c.dlq_id
      for update of d skip locked
    )
    update dead_letters d set dlq_id = f.dlq_id
    from free f
    where d.consumer_group = f.consumer_group and d.event_id = f.event_id and d.replay_id = f.replay_id`.execute(
    db,
  );
}
