import type { BusDatabase } from '@event-bus/database';
import { CompiledQuery, sql, type Transaction } from 'kysely';

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
}

/**
 * The SQL that begins a transaction for {@link recordHandled}. The server ends it when it idles for longer than
 * `idleMs`: what a frozen process holds is not held for ever.
 */
export function beginHandling(idleMs: number): string {
  return `begin isolation level read committed; set local bus.handling = on; set local idle_in_transaction_session_timeout = ${Math.ceil(idleMs)}`;
}

interface InsertedRow {
  readonly consumer_group: string;
  readonly event_id: string;
  readonly replay_id: string;
}

const columns = 'consumer_group, event_id, replay_id, occurred_at, outcome, stream, stream_id, attempt';
const ifNew = `
  where current_setting('bus.handling')::boolean
  on conflict do nothing
  returning consumer_group, event_id, replay_id`;

// Sent for every event: complete texts, and a simpler one for the usual case.
const insertRow = `
  insert into inbox_events (${columns})
  select $1::text, $2::uuid, $3::text, $4::timestamptz, 'done', $5::text, $6::text, $7::integer ${ifNew}`;
const insertRows = `
  insert into inbox_events (${columns})
  select r.consumer_group, r.event_id, r.replay_id, r.occurred_at, 'done', r.stream, r.stream_id, r.attempt
  from unnest(
    $1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::integer[]
  ) as r(consumer_group, event_id, replay_id, occurred_at, stream, stream_id, attempt) ${ifNew}`;

function insertion(rows: readonly InboxRow[]): CompiledQuery<InsertedRow> {
  const values = rows.map((row) => [
    row.group,
    row.eventId,
    row.replayId,
    row.occurredAt,
    row.stream,
    row.streamId,
    row.attempt,
  ]);
  const [first = []] = values;
  const query =
    rows.length === 1
      ? CompiledQuery.raw(insertRow, first)
      : CompiledQuery.raw(
          insertRows,
          first.map((_, column) => values.map((row) => row[column])),
        );
  return query as CompiledQuery<InsertedRow>;
}

/**
 * Records events as done, in the transaction that will hold their effects, and tells which of them are new: one
 * answer per row, in order. `false` means that the event is settled already, or stands further up in `rows`, and
 * must not be handled. Waits for a transaction in which the same event is just being handled.
 *
 * Fails in a transaction that {@link beginHandling} did not begin: it may be sent before the reply to BEGIN is
 * there, and behind a BEGIN that failed it would commit by itself.
 */
export async function recordHandled(
  trx: Transaction<BusDatabase>,
  rows: readonly InboxRow[],
): Promise<boolean[]> {
  if (rows.length === 0) return [];
  // One order for all, so that batches that share events wait for each other instead of deadlocking.
  const sorted = [...rows].sort(compareRows);
  const inserted = await trx.executeQuery(insertion(sorted));
  const fresh = new Set(inserted.rows.map((row) => keyText(row.consumer_group, row.event_id, row.replay_id)));
  return rows.map((row) => fresh.delete(keyText(row.group, row.eventId, row.replayId)));
}

/** Says that a recorded event was skipped instead, within the transaction that recorded it. */
export async function settleOutcome(
  trx: Transaction<BusDatabase>,
  key: InboxKey,
  settled: { readonly outcome: 'skipped'; readonly reason: string },
): Promise<void> {
  await sql`
    update inbox_events set outcome = ${settled.outcome}, reason = ${settled.reason}
    where consumer_group = ${key.group} and event_id = ${key.eventId} and replay_id = ${key.replayId}
      and occurred_at = ${key.occurredAt}::timestamptz`.execute(trx);
}

function compareRows(a: InboxRow, b: InboxRow): number {
  return (
    compareText(a.group, b.group) ||
    compareText(a.eventId.toLowerCase(), b.eventId.toLowerCase()) ||
    compareText(a.replayId, b.replayId)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function keyText(group: string, eventId: string, replayId: string): string {
  return `${group} ${eventId.toLowerCase()} ${replayId}`;
}
