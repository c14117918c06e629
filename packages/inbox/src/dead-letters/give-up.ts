import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { type Letter, rememberedAttempts } from './letter.ts';

/**
 * What became of giving an event up.
 * - `dead`: it is, now or since earlier.
 * - `settled`: its handler, or somebody's decision, came first.
 * - `busy`: somebody is just handling it; ask again later.
 */
export type GiveUpEnd = 'dead' | 'settled' | 'busy';

const lockNotAvailable = '55P03';

/**
 * Settles an event as dead and writes its letter, in one statement: from then on no delivery of it is handled,
 * whatever stream it may come from again. May be repeated. Waits for a handler that is just committing, for as long as
 * the connection's `lock_timeout`, and yields if that one wins. A letter that was being redriven becomes dead again and
 * keeps its history.
 */
export async function giveUp(db: Kysely<BusDatabase>, letter: Letter): Promise<GiveUpEnd> {
  try {
    const { rows } = await giveUpStatement(letter).execute(db);
    const outcome = rows[0]?.outcome;
    // What was settled while this waited is not to be seen by a statement that began before.
    if (outcome === undefined) return 'busy';
    return outcome === 'dead' ? 'dead' : 'settled';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === lockNotAvailable) return 'busy';
    throw error;
  }
}

function giveUpStatement(letter: Letter) {
  const { group, eventId, replayId, occurredAt, stream, streamId, attempts, fields } = letter;
  const history = JSON.stringify(letter.history.map((entry) => ({ ...entry, error: storable(entry.error) })));
  const position = /^[1-9]\d{0,18}$/.test(fields.position ?? '') ? fields.position : null;
  return sql<{ outcome: string }>`
    with settled as (
      insert into inbox_events (consumer_group, event_id, replay_id, occurred_at, outcome, reason, stream, stream_id, attempt)
      values (${group}, ${eventId}::uuid, ${replayId}, ${occurredAt}::timestamptz, 'dead', ${storable(letter.reason)},
        ${stream}, ${streamId}, ${attempts}::integer)
      on conflict do nothing returning outcome
    ), found as (
      select outcome from settled
      union all
      select outcome from inbox_events
      where consumer_group = ${group} and event_id = ${eventId}::uuid and replay_id = ${replayId}
        and occurred_at = ${occurredAt}::timestamptz and not exists (select from settled)
    ), letter as (
      insert into dead_letters as known (
        consumer_group, event_id, replay_id, occurred_at, kind, reason, error, stack, fingerprint, attempts, history,
        deliveries, consumer, first_delivered_at, behind, stream, stream_id, fields, source, position, event_type,
        aggregate_type, aggregate_id, tenant_id, trace_id)
      select
        ${group}, ${eventId}::uuid, ${replayId}, ${occurredAt}::timestamptz, ${letter.kind}, ${storable(letter.reason)},
        ${storable(letter.error)}, ${storable(letter.stack)}, ${letter.fingerprint}, ${attempts}::integer,
        ${history}::jsonb, ${letter.deliveries}::integer, ${letter.consumer},
        to_timestamp(${letter.firstDeliveredAt}::float8 / 1000), ${blocker(letter, position)}, ${stream}, ${streamId},
        ${JSON.stringify(fields)}::json, ${storable(fields.source)}, ${position}::bigint, ${storable(fields.event_type)},
        ${storable(fields.aggregate_type)}, ${storable(fields.aggregate_id)}, ${storable(fields.tenant_id)},
        ${traceId(fields.traceparent)}
      from found where outcome = 'dead'
      on conflict (consumer_group, event_id, replay_id) do update set
        state = 'dead', kind = excluded.kind, reason = excluded.reason, error = excluded.error, stack = excluded.stack,
        fingerprint = excluded.fingerprint, attempts = known.attempts + excluded.attempts,
        history = ${bounded(sql`known.history || excluded.history`)},
        deliveries = known.deliveries + excluded.deliveries, consumer = excluded.consumer, behind = excluded.behind,
        dead_at = clock_timestamp(), dlq_id = null, inject_id = null
      -- A copy of the event in its stream does not end a redrive.
      where known.state = 'redriving' and ${letter.injected}::boolean
    )
    select outcome from found`;
}

/** In a group that holds, the first open letter of the aggregate that comes before this event. */
function blocker({ group, fields }: Letter, position: string | null | undefined) {
  return sql`(
    select earlier.event_id from dead_letters earlier join inbox_groups g using (consumer_group)
    where g.on_dead_letter = 'hold' and earlier.consumer_group = ${group}
      and earlier.aggregate_type = ${storable(fields.aggregate_type)}
      and earlier.aggregate_id = ${storable(fields.aggregate_id)}
      and earlier.state in ('dead', 'redriving') and earlier.position < ${position ?? null}::bigint
    order by earlier.position limit 1)`;
}

/** The first attempt and the last ones. */
function bounded(history: ReturnType<typeof sql>) {
  return sql`case
    when jsonb_array_length(${history}) <= ${rememberedAttempts} then ${history}
    else jsonb_path_query_array(${history}, '$[0]')
      || jsonb_path_query_array(${history}, ${sql.raw(`'$[last - ${rememberedAttempts - 2} to last]'`)})
  end`;
}

/** PostgreSQL's text holds no NUL, which a foreign entry or an error may. */
function storable(text: string | undefined): string {
  return (text ?? '').replaceAll('\0', '\uFFFD').toWellFormed();
}

function traceId(traceparent: string | undefined): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? '')?.[1] ?? '';
}
