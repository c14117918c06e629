import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { entryEventId, type LetterPlace } from './open-letters.ts';
import { iso } from './record.ts';

const lowestUuid = '00000000-0000-0000-0000-000000000000';

/** What names a dead letter. */
export interface LetterKey {
  readonly group: string;
  readonly eventId: string;
  /** Empty for live traffic. */
  readonly replayId: string;
}

/** A letter that is to be handled again. */
export interface RedrivingLetter extends LetterKey {
  /** ISO 8601 with microseconds. */
  readonly occurredAt: string;
  readonly stream: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Where its copy stands among the dead letters, as far as is known. */
  readonly dlqId: string | null;
}

/** Where a page of {@link loadUninjected} ended. */
export interface RedrivingCursor {
  readonly position: string;
  readonly eventId: string;
  readonly replayId: string;
}

/**
 * The letters of a group on one stream that are to be handled again and are not known to be injected, in the order of
 * their events, at most `limit` behind `after`. Events without a position come first.
 */
export async function loadUninjected(
  db: Kysely<BusDatabase>,
  of: LetterPlace,
  after: RedrivingCursor | null,
  limit: number,
): Promise<{ readonly letters: readonly RedrivingLetter[]; readonly cursor: RedrivingCursor | null }> {
  const { rows } = await sql<{
    event_id: string;
    replay_id: string;
    occurred_at: string;
    fields: Record<string, string>;
    dlq_id: string | null;
    position: string;
  }>`
    select event_id::text, replay_id, ${iso('occurred_at')} as occurred_at, fields, dlq_id,
      coalesce(position, 0)::text as position
    from dead_letters d
    where consumer_group = ${of.group} and stream = ${of.stream} and state in ('dead', 'redriving')
      and state = 'redriving' and inject_id is null
      and (coalesce(d.position, 0), event_id, replay_id)
        > (${after?.position ?? '-1'}::bigint, ${after?.eventId ?? lowestUuid}::uuid, ${after?.replayId ?? ''})
    order by coalesce(d.position, 0), event_id, replay_id limit ${limit}`.execute(db);
  const last = rows.at(-1);
  return {
    letters: rows.map((row) => ({
      group: of.group,
      stream: of.stream,
      eventId: row.event_id,
      replayId: row.replay_id,
      occurredAt: row.occurred_at,
      fields: row.fields,
      dlqId: row.dlq_id,
    })),
    cursor:
      last === undefined || rows.length < limit
        ? null
        : { position: last.position, eventId: last.event_id, replayId: last.replay_id },
  };
}

/**
 * Those of these letters that still are to be injected, in their order. What is just being handled is left out: it is
 * injected, though nobody could note it yet.
 */
export async function findFree(
  db: Kysely<BusDatabase>,
  letters: readonly RedrivingLetter[],
): Promise<readonly RedrivingLetter[]> {
  if (letters.length === 0) return [];
  const { rows } = await sql<{ n: number }>`
    select k.n::integer as n
    from unnest(
      ${letters.map(({ group }) => group)}::text[], ${letters.map(({ eventId }) => eventId)}::uuid[],
      ${letters.map(({ replayId }) => replayId)}::text[]
    ) with ordinality as k(consumer_group, event_id, replay_id, n)
    join dead_letters d using (consumer_group, event_id, replay_id)
    where d.state = 'redriving' and d.inject_id is null
    for share of d skip locked`.execute(db);
  const free = new Set(rows.map(({ n }) => n - 1));
  return letters.filter((_, index) => free.has(index));
}

/** A letter that was injected, and where. */
export interface InjectedLetter extends LetterKey {
  readonly injectId: string;
  /** The event ID that its entry carries; empty where it carries none. */
  readonly entryEventId: string;
}

/** Injected letters at a place that are not handled yet, in the order of their keys, at most `limit` behind `after`. */
export async function loadInjected(
  db: Kysely<BusDatabase>,
  { group, stream }: LetterPlace,
  after: LetterKey | null,
  limit: number,
): Promise<InjectedLetter[]> {
  const { rows } = await sql<InjectedLetter>`
    select consumer_group as "group", event_id::text as "eventId", replay_id as "replayId", inject_id as "injectId",
      ${entryEventId} as "entryEventId"
    from dead_letters d
    where consumer_group = ${group} and stream = ${stream} and state in ('dead', 'redriving')
      and state = 'redriving' and inject_id is not null
      and (event_id, replay_id) > (${after?.eventId ?? lowestUuid}::uuid, ${after?.replayId ?? ''})
    order by event_id, replay_id limit ${limit}`.execute(db);
  return rows;
}

/** Streams of a group with letters that are to be handled again. */
export async function streamsRedriving(db: Kysely<BusDatabase>, group: string): Promise<string[]> {
  const rows = await db
    .selectFrom('dead_letters')
    .select('stream')
    .distinct()
    .where('consumer_group', '=', group)
    .where('state', '=', 'redriving')
    .orderBy('stream')
    .execute();
  return rows.map(({ stream }) => stream);
}

/**
 * Notes where letters stand among what is injected; their copies among the dead letters are gone. What is just being
 * handled is left out, or this would wait for its handler: injected a second time, it is absorbed.
 */
export async function noteInjected(
  db: Kysely<BusDatabase>,
  injected: readonly (LetterKey & { readonly injectId: string })[],
): Promise<void> {
  if (injected.length === 0) return;
  await sql`
    with free as (
      select d.consumer_group, d.event_id, d.replay_id, g.inject_id
      from unnest(
        ${injected.map(({ group }) => group)}::text[], ${injected.map(({ eventId }) => eventId)}::uuid[],
        ${injected.map(({ replayId }) => replayId)}::text[], ${injected.map(({ injectId }) => injectId)}::text[]
      ) as g(consumer_group, event_id, replay_id, inject_id)
      join dead_letters d using (consumer_group, event_id, replay_id)
      where d.state = 'redriving' and d.inject_id is distinct from g.inject_id
      for update of d skip locked
    )
    update dead_letters d set inject_id = f.inject_id, dlq_id = null
    from free f
    where d.consumer_group = f.consumer_group and d.event_id = f.event_id and d.replay_id = f.replay_id`.execute(
    db,
  );
}

/**
 * Notes that letters stand among what is injected no longer, though they are not handled: they are to be injected again.
 * Returns how many.
 */
export async function noteLost(db: Kysely<BusDatabase>, lost: readonly InjectedLetter[]): Promise<number> {
  if (lost.length === 0) return 0;
  const { numAffectedRows } = await sql`
    with free as (
      select d.consumer_group, d.event_id, d.replay_id
      from unnest(
        ${lost.map(({ group }) => group)}::text[], ${lost.map(({ eventId }) => eventId)}::uuid[],
        ${lost.map(({ replayId }) => replayId)}::text[], ${lost.map(({ injectId }) => injectId)}::text[]
      ) as g(consumer_group, event_id, replay_id, inject_id)
      join dead_letters d using (consumer_group, event_id, replay_id)
      where d.state = 'redriving' and d.inject_id = g.inject_id
      for update of d skip locked
    )
    update dead_letters d set inject_id = null
    from free f
    where d.consumer_group = f.consumer_group and d.event_id = f.event_id and d.replay_id = f.replay_id`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0n);
}
