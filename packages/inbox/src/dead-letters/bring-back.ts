import { type BusDatabase, recordActionEvents } from '@event-bus/database';
import { sql, type Transaction } from 'kysely';
import type { LetterRecord } from './record.ts';
import type { LetterState } from './selection.ts';

/**
 * What became of bringing a letter back.
 * - `dead`: it waits for somebody to decide again, or for the first time here.
 * - `open`: it did so already, or is being redriven.
 * - `handled`: its event was handled meanwhile.
 */
export type BroughtBack = 'dead' | 'open' | 'handled';

/**
 * Brings letters back that were discarded, or that this database does not know, with their events in the inbox, and
 * records that under an action. They are given up as of now. Returns what became of each, in order. Waits for a
 * transaction in which one of the events is just being handled.
 */
export async function bringBack(
  trx: Transaction<BusDatabase>,
  letters: readonly LetterRecord[],
  actionId: string,
): Promise<BroughtBack[]> {
  const known = await lockKnown(trx, letters);
  const stateOf = (letter: LetterRecord) => known.get(keyOf(letter)) ?? 'unknown';
  const gone = letters.filter((letter) => ['unknown', 'discarded'].includes(stateOf(letter)));
  const outcomes = await settleAsDead(trx, gone);
  const dead = gone.filter((letter) => outcomes.get(keyOf(letter)) === 'dead');
  await reopen(
    trx,
    dead.filter((letter) => known.has(keyOf(letter))),
  );
  await insert(
    trx,
    dead.filter((letter) => !known.has(keyOf(letter))),
  );
  await recordActionEvents(trx, actionId, dead);
  // One that is given twice is brought back once.
  const untold = new Set(dead.map(keyOf));
  return letters.map((letter) => {
    const key = keyOf(letter);
    if (untold.delete(key)) return 'dead';
    const isOpen = outcomes.get(key) === 'dead' || ['dead', 'redriving'].includes(stateOf(letter));
    return isOpen ? 'open' : 'handled';
  });
}

/** The states of the letters that there are, which nobody else changes until the end of the transaction. */
async function lockKnown(
  trx: Transaction<BusDatabase>,
  letters: readonly LetterRecord[],
): Promise<Map<string, LetterState>> {
  const { rows } = await sql<{ group: string; eventId: string; replayId: string; state: LetterState }>`
    select d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId", d.state
    from ${keys(letters)}
    join dead_letters d on d.consumer_group = g.consumer_group and d.event_id = g.event_id and d.replay_id = g.replay_id
    order by d.consumer_group, d.event_id, d.replay_id for update of d`.execute(trx);
  return new Map(rows.map((row) => [keyOf(row), row.state]));
}

/** The outcomes that the inbox has then, by key: `dead`, unless an event was handled. */
async function settleAsDead(
  trx: Transaction<BusDatabase>,
  letters: readonly LetterRecord[],
): Promise<Map<string, string>> {
  // In the order of those who handle, so that these wait instead of deadlocking.
  const { rows: inserted } = await sql<OutcomeRow>`
    insert into inbox_events as i (
      consumer_group, event_id, replay_id, occurred_at, outcome, reason, stream, stream_id, attempt)
    select g.consumer_group, g.event_id, g.replay_id, g.occurred_at, 'dead', g.reason, g.stream, g.stream_id, g.attempt
    from ${inboxRows(letters)} order by g.event_id, g.replay_id, g.occurred_at, g.consumer_group
    on conflict do nothing returning ${outcome}`.execute(trx);
  const outcomes = new Map(inserted.map((row) => [keyOf(row), row.outcome]));
  const others = letters.filter((letter) => !outcomes.has(keyOf(letter)));
  if (others.length === 0) return outcomes;
  await sql`
    update inbox_events i set outcome = 'dead', reason = g.reason, processed_at = clock_timestamp()
    from ${inboxRows(others)} where ${isSame} and i.outcome = 'discarded'`.execute(trx);
  const { rows: settled } = await sql<OutcomeRow>`
    select ${outcome} from ${inboxRows(others)} join inbox_events i on ${isSame}`.execute(trx);
  return new Map([...outcomes, ...settled.map((row) => [keyOf(row), row.outcome] as const)]);
}

interface OutcomeRow {
  readonly group: string;
  readonly eventId: string;
  readonly replayId: string;
  readonly outcome: string;
}

const outcome = sql`i.consumer_group as "group", i.event_id::text as "eventId", i.replay_id as "replayId", i.outcome`;

const isSame = sql`i.consumer_group = g.consumer_group and i.event_id = g.event_id and i.replay_id = g.replay_id
  and i.occurred_at = g.occurred_at`;

function inboxRows(letters: readonly LetterRecord[]) {
  return sql`unnest(
      ${letters.map(({ group }) => group)}::text[], ${letters.map(({ eventId }) => eventId)}::uuid[],
      ${letters.map(({ replayId }) => replayId)}::text[],
      ${letters.map(({ occurredAt }) => occurredAt)}::timestamptz[], ${letters.map(({ stream }) => stream)}::text[],
      ${letters.map(({ streamId }) => streamId)}::text[], ${letters.map(({ attempts }) => attempts)}::integer[],
      ${letters.map(({ reason }) => reason)}::text[]
    ) as g(consumer_group, event_id, replay_id, occurred_at, stream, stream_id, attempt, reason)`;
}

/** Those that were discarded. */
async function reopen(trx: Transaction<BusDatabase>, letters: readonly LetterRecord[]): Promise<void> {
  await sql`
    update dead_letters d set state = 'dead', dead_at = clock_timestamp(), resolved_at = null, inject_id = null
    from ${keys(letters)}
    where d.consumer_group = g.consumer_group and d.event_id = g.event_id and d.replay_id = g.replay_id`.execute(
    trx,
  );
}

/** Those that nobody knows here. */
async function insert(trx: Transaction<BusDatabase>, letters: readonly LetterRecord[]): Promise<void> {
  if (letters.length === 0) return;
  // The fields of an entry keep their order and every text, which they would not as jsonb, nor nested in other JSON.
  const records = letters.map(({ fields: _fields, ...record }) => record);
  const fields = letters.map((letter) => JSON.stringify(letter.fields));
  await sql`
    insert into dead_letters (
      consumer_group, event_id, replay_id, occurred_at, kind, reason, error, stack, fingerprint, attempts, history,
      deliveries, consumer, first_delivered_at, behind, stream, stream_id, fields, source, position, event_type,
      aggregate_type, aggregate_id, tenant_id, trace_id, redrives, redriven_at)
    select "group", "eventId", "replayId", "occurredAt", kind, reason, error, stack, fingerprint, attempts, history,
      deliveries, consumer, "firstDeliveredAt", behind, stream, "streamId", unnest::json, source, position, "eventType",
      "aggregateType", "aggregateId", "tenantId", "traceId", redrives, "redrivenAt"
    from rows from (json_to_recordset(${JSON.stringify(records)}::json) as (
      "group" text, "eventId" uuid, "replayId" text, "occurredAt" timestamptz, kind text, reason text, error text,
      stack text, fingerprint text, attempts integer, history jsonb, deliveries integer, consumer text,
      "firstDeliveredAt" timestamptz, behind uuid, stream text, "streamId" text, source text,
      position bigint, "eventType" text, "aggregateType" text, "aggregateId" text, "tenantId" text, "traceId" text,
      redrives integer, "redrivenAt" timestamptz), unnest(${fields}::text[]))
    on conflict do nothing`.execute(trx);
}

function keys(letters: readonly LetterRecord[]) {
  return sql`unnest(
    ${letters.map(({ group }) => group)}::text[], ${letters.map(({ eventId }) => eventId)}::uuid[],
    ${letters.map(({ replayId }) => replayId)}::text[]
  ) as g(consumer_group, event_id, replay_id)`;
}

function keyOf({ group, eventId, replayId }: Pick<LetterRecord, 'group' | 'eventId' | 'replayId'>): string {
  return `${group} ${eventId.toLowerCase()} ${replayId}`;
}
