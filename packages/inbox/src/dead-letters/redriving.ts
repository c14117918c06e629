import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';

/** What names a dead letter. */
export interface LetterKey {
  readonly group: string;
  readonly eventId: string;
  /** Empty for live traffic. */
  readonly replayId: string;
}

/** A letter that is to be handled again. */
export interface RedrivingLetter extends LetterKey {
  readonly stream: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Where it stands among what is injected, and its copy among the dead letters, as far as is known. */
  readonly injectId: string | null;
  readonly dlqId: string | null;
}

/** Where a page of {@link loadRedriving} ended. */
export interface RedrivingCursor {
  readonly position: string;
  readonly eventId: string;
  readonly replayId: string;
}

/**
 * The letters of a group on one stream that are to be handled again, in the order of their events, at most `limit`
 * behind `after`. Events without a position come first.
 */
export async function loadRedriving(
  db: Kysely<BusDatabase>,
  of: { readonly group: string; readonly stream: string },
  after: RedrivingCursor | null,
  limit: number,
): Promise<{ readonly letters: readonly RedrivingLetter[]; readonly cursor: RedrivingCursor | null }> {
  const { rows } = await sql<{
    event_id: string;
    replay_id: string;
    fields: Record<string, string>;
    inject_id: string | null;
    dlq_id: string | null;
    position: string;
  }>`
    select event_id::text, replay_id, fields, inject_id, dlq_id, coalesce(position, 0)::text as position
    from dead_letters
    where consumer_group = ${of.group} and stream = ${of.stream} and state = 'redriving'
      and (coalesce(dead_letters.position, 0), event_id, replay_id)
        > (${after?.position ?? '-1'}::bigint, ${after?.eventId ?? '00000000-0000-0000-0000-000000000000'}::uuid, ${after?.replayId ?? ''})
    order by coalesce(dead_letters.position, 0), event_id, replay_id limit ${limit}`.execute(db);
  const last = rows.at(-1);
  return {
    letters: rows.map((row) => ({
      group: of.group,
      stream: of.stream,
      eventId: row.event_id,
      replayId: row.replay_id,
      fields: row.fields,
      injectId: row.inject_id,
      dlqId: row.dlq_id,
    })),
    cursor:
      last === undefined || rows.length < limit
        ? null
        : { position: last.position, eventId: last.event_id, replayId: last.replay_id },
  };
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
