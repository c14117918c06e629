import type { BusDatabase } from '@event-bus/database';
import { CompiledQuery, sql, type Transaction } from 'kysely';
import { storable } from './dead-letters/letter.ts';
import { type AggregatePosition, placeValuesOf, recordPositions, storePositions } from './positions.ts';
import { explained, type GivenValue } from './refusal.ts';

/** What names an event within a group. `occurredAt` is the event's own, as the database wrote it, the same in every duplicate. */
export interface InboxKey {
  readonly group: string;
  readonly eventId: string;
  /** Empty in live traffic. */
  readonly replayId: string;
  readonly occurredAt: string;
}

/** An event that is about to be handled, and the entry and attempt that brought it. */
export interface InboxRow extends InboxKey {
  readonly stream: string;
  readonly streamId: string;
  readonly attempt: number;
  /** Present if the order of its aggregate is recorded, too. */
  readonly position?: AggregatePosition;
}

/** What the inbox knew of an event when it was recorded. */
export interface Recorded {
  /** `false`: it is settled already, or stands further up in what was passed, and must not be handled. */
  readonly isFresh: boolean;
  /** Present if it is fresh and came after the one at this position of its aggregate, which is higher: order was broken. */
  readonly invertedAfter?: bigint;
}

/**
 * The SQL that begins a transaction for {@link recordHandled}. Nothing is deferred in it: the word marks it, and
 * costs no statement of its own.
 */
export const beginHandling = 'begin isolation level read committed deferrable';

const columns = 'consumer_group, event_id, replay_id, occurred_at, outcome, stream, stream_id, attempt';

/** Computed once per statement. It fails in a transaction that is not marked. */
function guarded(idleMs: string): string {
  return `(select case current_setting('transaction_deferrable')
    when 'on' then set_config('idle_in_transaction_session_timeout', ${idleMs}, true) is not null
    else current_setting('bus.transaction_was_not_begun_for_handling')::boolean
  end)`;
}

// Sent for every event: complete texts, and simpler ones for a single event. To store its position by itself would take a second
// statement and a second reply.
const insertRow = `
  insert into inbox_events (${columns})
  select $1::text, $2::uuid, $3::text, $4::timestamptz, 'done', $5::text, $6::text, $7::integer
  where ${guarded('$8')}
  on conflict do nothing`;
const insertRowInOrder = `
  with recorded as (${insertRow} returning consumer_group)
  ${storePositions('select consumer_group, $9, $10, $11, $12::bigint from recorded')}
  returning previous`;

// Values are compared by the server, in its own form of them. The order is one for all, so that transactions that
// share events wait for each other instead of deadlocking.
const insertRows = `
  with given as (
    select * from unnest(
      $1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::integer[]
    ) with ordinality as g(consumer_group, event_id, replay_id, occurred_at, stream, stream_id, attempt, place)
  ), inserted as (
    insert into inbox_events (${columns})
    select consumer_group, event_id, replay_id, occurred_at, 'done', stream, stream_id, attempt
    from given where ${guarded('$8')}
    order by event_id, replay_id, occurred_at, consumer_group, place
    on conflict do nothing
    returning consumer_group, event_id, replay_id, occurred_at
  )
  select min(place)::integer as place
  from given join inserted using (consumer_group, event_id, replay_id, occurred_at)
  group by consumer_group, event_id, replay_id, occurred_at`;

/**
 * Records events as done, in the transaction that will hold their effects, and the positions of those that have one, which
 * never go down: those of duplicates may be stored, too. One answer per row, in order. Waits for a transaction in which the
 * same event is just being handled.
 *
 * The server ends the transaction when it idles for longer than `idleMs`: what a frozen process holds is not held
 * for ever. Whoever lives and lets it wait has to send something in between.
 *
 * Fails in a transaction that {@link beginHandling} did not begin: it may be sent before the reply to BEGIN is
 * there, and behind a BEGIN that failed it would commit by itself.
 * @throws UnrecordableEventError the inbox cannot hold one of them.
 */
export async function recordHandled(
  trx: Transaction<BusDatabase>,
  rows: readonly InboxRow[],
  { idleMs }: { readonly idleMs: number },
): Promise<Recorded[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const idle = String(Math.ceil(idleMs));
  return rows.length === 1 ? [await recordOne(trx, first, idle)] : recordMany(trx, rows, idle);
}

async function recordOne(trx: Transaction<BusDatabase>, row: InboxRow, idle: string): Promise<Recorded> {
  const { position: place } = row;
  const given = () => valuesOf(row);
  if (place === undefined) {
    const query = CompiledQuery.raw(insertRow, [...parametersOf(row), idle]);
    const { numAffectedRows } = await explained(trx.executeQuery(query), given);
    return { isFresh: numAffectedRows === 1n };
  }
  const { source, aggregateType, aggregateId, position } = place;
  const parameters = [...parametersOf(row), idle, source, aggregateType, aggregateId, String(position)];
  const query = CompiledQuery.raw(insertRowInOrder, parameters) as CompiledQuery<{ previous: string | null }>;
  const [stored] = (await explained(trx.executeQuery(query), given)).rows;
  const after = BigInt(stored?.previous ?? 0);
  return { isFresh: stored !== undefined, ...(after > position && { invertedAfter: after }) };
}

async function recordMany(
  trx: Transaction<BusDatabase>,
  rows: readonly InboxRow[],
  idle: string,
): Promise<Recorded[]> {
  const statements = [insertMany(trx, rows, idle), recordPositions(trx, rows)] as const;
  // If one fails, the other is under way still.
  await Promise.allSettled(statements);
  const [places, inversions] = await Promise.all(statements);
  return rows.map((_, index) => {
    const isFresh = places.has(index + 1);
    const after = inversions.get(index);
    return { isFresh, ...(isFresh && after !== undefined && { invertedAfter: after }) };
  });
}

/** Returns which of them are new, counted from 1. */
async function insertMany(
  trx: Transaction<BusDatabase>,
  rows: readonly InboxRow[],
  idle: string,
): Promise<Set<number>> {
  const query = CompiledQuery.raw(insertRows, [...transpose(rows.map(parametersOf)), idle]);
  const inserted = await explained(trx.executeQuery(query as CompiledQuery<{ place: number }>), () =>
    rows.flatMap(valuesOf),
  );
  return new Set(inserted.rows.map(({ place }) => place));
}

function parametersOf(row: InboxRow): (string | number)[] {
  const { group, eventId, replayId, occurredAt, stream, streamId, attempt } = row;
  return [group, eventId, replayId, occurredAt, stream, streamId, attempt];
}

function valuesOf({ replayId, occurredAt, position }: InboxRow): GivenValue[] {
  return [
    { field: 'replay_id', text: replayId },
    { field: 'occurred_at', text: occurredAt },
    ...(position === undefined ? [] : placeValuesOf(position)),
  ];
}

function transpose<Value>(rows: readonly (readonly Value[])[]): Value[][] {
  const [first = []] = rows;
  return first.map((_, column) => rows.map((row) => row[column] as Value));
}

/** Says that a recorded event was skipped instead, within the transaction that recorded it. */
export async function settleOutcome(
  trx: Transaction<BusDatabase>,
  key: InboxKey,
  settled: { readonly outcome: 'skipped'; readonly reason: string },
): Promise<void> {
  await sql`
    update inbox_events set outcome = ${settled.outcome}, reason = ${storable(settled.reason)}
    where consumer_group = ${key.group} and event_id = ${key.eventId} and replay_id = ${key.replayId}
      and occurred_at = ${key.occurredAt}::timestamptz`.execute(trx);
}
