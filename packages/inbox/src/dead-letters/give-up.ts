import type { BusDatabase } from '@event-bus/database';
import { type Kysely, sql } from 'kysely';
import { type Letter, type LetterAttempt, rememberedAttempts, storable } from './letter.ts';

/**
 * What became of giving an event up.
 * - `dead`: it is, now or since earlier.
 * - `settled`: its handler, or somebody's decision, came first.
 * - `busy`: somebody is just handling it; ask again later.
 */
export type GiveUpEnd = 'dead' | 'settled' | 'busy';

const lockNotAvailable = '55P03';
const maxColumnBytes = 512;
const maxInteger = 2 ** 31 - 1;
const maxBigint = 2n ** 63n - 1n;

/**
 * Settles an event as dead and writes its letter, in one statement: from then on no delivery of it is handled,
 * whatever stream it may come from again. May be repeated. Waits for a handler that is just committing, for as long as
 * the connection's `lock_timeout`, and yields if that one wins. A letter that was being redriven becomes dead again and
 * keeps its history.
 */
export async function giveUp(db: Kysely<BusDatabase>, letter: Letter): Promise<GiveUpEnd> {
  try {
    const [end = 'busy'] = await giveUpAll(db, [letter]);
    return end;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === lockNotAvailable) return 'busy';
    throw error;
  }
}

/**
 * The same for many events in one statement, several times as fast: one answer per letter, in order. Rejects, and has done
 * nothing, if one of them cannot be given up, is just being handled, or comes twice: then each has to be given up alone.
 */
export async function giveUpAll(
  db: Kysely<BusDatabase>,
  letters: readonly Letter[],
): Promise<readonly GiveUpEnd[]> {
  const { rows } = await giveUpStatement(letters).execute(db);
  return rows.map(({ outcome }) => {
    // What was settled while this waited is not to be seen by a statement that began before.
    if (outcome === null) return 'busy';
    return outcome === 'dead' ? 'dead' : 'settled';
  });
}

function giveUpStatement(letters: readonly Letter[]) {
  const column = (of: (letter: Letter) => string | number | boolean | null) => letters.map(of);
  const field = (name: string) => column(({ fields }) => brief(fields[name]));
  // The order is one for all, so that those who share events wait for each other instead of deadlocking.
  return sql<{ outcome: string | null }>`
    with given as (
      select * from unnest(
        ${column(({ group }) => group)}::text[], ${column(({ eventId }) => eventId)}::uuid[],
        ${column(({ replayId }) => replayId)}::text[], ${column(({ occurredAt }) => occurredAt)}::timestamptz[],
        ${column(({ kind }) => storable(kind))}::text[], ${column(({ reason }) => storable(reason))}::text[],
        ${column(({ error }) => storable(error))}::text[], ${column(({ stack }) => storable(stack))}::text[],
        ${column(({ fingerprint }) => fingerprint)}::text[], ${column(({ attempts }) => attempts)}::integer[],
        ${column(({ history }) => historyOf(history))}::jsonb[],
        ${column(({ deliveries }) => Math.min(deliveries, maxInteger))}::integer[],
        ${column(({ consumer }) => brief(consumer))}::text[],
        ${column(({ firstDeliveredAt }) => firstDeliveredAt)}::float8[],
        ${column(({ stream }) => stream)}::text[], ${column(({ streamId }) => streamId)}::text[],
        ${column(({ injected }) => injected)}::boolean[], ${column(({ fields }) => JSON.stringify(fields))}::json[],
        ${field('source')}::text[], ${column(({ fields }) => positionOf(fields.position))}::bigint[],
        ${field('event_type')}::text[], ${field('aggregate_type')}::text[], ${field('aggregate_id')}::text[],
        ${field('tenant_id')}::text[], ${column(({ fields }) => traceId(fields.traceparent))}::text[]
      ) with ordinality as g(consumer_group, event_id, replay_id, occurred_at, kind, reason, error, stack, fingerprint,
        attempts, history, deliveries, consumer, first_delivered_at, stream, stream_id, injected, fields, source, position,
        event_type, aggregate_type, aggregate_id, tenant_id, trace_id, n)
    ), settled as (
      insert into inbox_events (consumer_group, event_id, replay_id, occurred_at, outcome, reason, stream, stream_id, attempt)
      select consumer_group, event_id, replay_id, occurred_at, 'dead', reason, stream, stream_id, attempts
      from given order by event_id, replay_id, occurred_at, consumer_group
      on conflict do nothing
      returning consumer_group, event_id, replay_id, occurred_at
    ), found as (
      select g.*, case when s.event_id is null then known.outcome else 'dead' end as outcome
      from given g
      left join settled s on s.consumer_group = g.consumer_group and s.event_id = g.event_id
        and s.replay_id = g.replay_id and s.occurred_at = g.occurred_at
      left join lateral (
        select i.outcome from inbox_events i
        where i.consumer_group = g.consumer_group and i.event_id = g.event_id and i.replay_id = g.replay_id
          and i.occurred_at = g.occurred_at
        limit 1
      ) known on true
    ), letters as (
      insert into dead_letters as known (
        consumer_group, event_id, replay_id, occurred_at, kind, reason, error, stack, fingerprint, attempts, history,
        deliveries, consumer, first_delivered_at, behind, stream, stream_id, fields, source, position, event_type,
        aggregate_type, aggregate_id, tenant_id, trace_id)
      select
        consumer_group, event_id, replay_id, occurred_at, kind, reason, error, stack, fingerprint, attempts, history,
        deliveries, consumer, to_timestamp(first_delivered_at / 1000), ${blocker}, stream, stream_id, fields, source,
        position, event_type, aggregate_type, aggregate_id, tenant_id, trace_id
      from found where outcome = 'dead'
      order by found.event_id, found.replay_id, found.occurred_at, found.consumer_group
      on conflict (consumer_group, event_id, replay_id) do update set
        state = 'dead', kind = excluded.kind, reason = excluded.reason, error = excluded.error, stack = excluded.stack,
        fingerprint = excluded.fingerprint, attempts = ${sum('attempts')},
        history = ${bounded(sql`known.history || excluded.history`)},
        deliveries = ${sum('deliveries')}, consumer = excluded.consumer, behind = excluded.behind,
        dead_at = clock_timestamp(), dlq_id = null, inject_id = null
      -- A copy of the event in its stream does not end a redrive.
      where known.state = 'redriving' and exists (
        select from given g
        where g.consumer_group = known.consumer_group and g.event_id = known.event_id and g.replay_id = known.replay_id
          and g.injected)
    )
    select outcome from found order by n`;
}

/** In a group that holds, the first open letter of the aggregate that comes before this event. */
const blocker = sql`(
  select earlier.event_id from dead_letters earlier join inbox_groups g on g.consumer_group = earlier.consumer_group
  where g.on_dead_letter = 'hold' and earlier.consumer_group = found.consumer_group
    and earlier.aggregate_type = found.aggregate_type and earlier.aggregate_id = found.aggregate_id
    and earlier.replay_id = '' and found.replay_id = ''
    and earlier.state in ('dead', 'redriving') and earlier.position < found.position
  order by earlier.position limit 1)`;

function historyOf(attempts: readonly LetterAttempt[]): string {
  return JSON.stringify(
    attempts.map(({ at, consumer, error }) => ({
      at,
      consumer: storable(consumer),
      error: storable(error),
    })),
  );
}

/** Of this time and those before, as much as fits. */
function sum(column: 'attempts' | 'deliveries') {
  const [before, now] = [sql.ref(`known.${column}`), sql.ref(`excluded.${column}`)];
  return sql`least(${before}::bigint + ${now}, ${sql.lit(maxInteger)})::integer`;
}

/** The first attempt and the last ones. */
function bounded(history: ReturnType<typeof sql>) {
  return sql`case
    when jsonb_array_length(${history}) <= ${rememberedAttempts} then ${history}
    else jsonb_path_query_array(${history}, '$[0]')
      || jsonb_path_query_array(${history}, ${sql.raw(`'$[last - ${rememberedAttempts - 2} to last]'`)})
  end`;
}

/** The position that an entry states, or `null` if that is none. */
function positionOf(text = ''): string | null {
  return /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= maxBigint ? text : null;
}

/**
 * As much of it as an outbox takes: an index refuses rows with long texts. The fields of the letter hold all of it.
 */
function brief(text: string | undefined): string {
  const stored = Buffer.from(storable(text));
  return stored.subarray(0, maxColumnBytes).toString();
}

function traceId(traceparent: string | undefined): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? '')?.[1] ?? '';
}
