import { type Kysely, sql, type Transaction } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** What operators do that is put on record. */
export const operatorActions = [
  'redrive',
  'edit',
  'discard',
  'import',
  'retry',
  'reconcile',
  'pause',
  'resume',
  'replay',
  'replay-pause',
  'replay-resume',
  'replay-cancel',
] as const;

/** What an operator is about to do. */
export interface OperatorAction {
  /** Who. */
  readonly operator: string;
  readonly action: (typeof operatorActions)[number];
  /** `null` where it may concern several. */
  readonly group: string | null;
  readonly reason: string | null;
  /** How its events were selected, say. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An event that something is done to. */
export interface ActionEvent {
  readonly group: string;
  readonly eventId: string;
  /** Empty for live traffic. */
  readonly replayId: string;
  /** What was changed of it. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** Records an action, in the transaction of what is done, or before it. Returns its ID, under which its events are recorded. */
export async function recordAction(trx: Transaction<BusDatabase>, action: OperatorAction): Promise<string> {
  const { id } = await trx
    .insertInto('operator_actions')
    .values({
      operator: storable(action.operator),
      action: action.action,
      consumer_group: action.group,
      reason: action.reason === null ? null : storable(action.reason),
      details: toJson(action.details ?? {}),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** Records to which events an action was done, in the transaction in which it was. An event counts once. */
export async function recordActionEvents(
  trx: Transaction<BusDatabase>,
  actionId: string,
  events: readonly ActionEvent[],
): Promise<void> {
  if (events.length === 0) return;
  await sql`
    with recorded as (
      insert into operator_action_events (action_id, consumer_group, event_id, replay_id, details)
      select ${actionId}::bigint, e.consumer_group, e.event_id, e.replay_id, e.details
      from unnest(
        ${events.map(({ group }) => group)}::text[], ${events.map(({ eventId }) => eventId)}::uuid[],
        ${events.map(({ replayId }) => replayId)}::text[],
        ${events.map(({ details }) => (details === undefined ? null : toJson(details)))}::jsonb[]
      ) as e(consumer_group, event_id, replay_id, details)
      on conflict do nothing returning true
    )
    update operator_actions set events = events + (select count(*) from recorded)
    where id = ${actionId}::bigint`.execute(trx);
}

/** Records to how many events an action was done, where their IDs are of no use to look for. */
export async function recordActionCount(
  db: Kysely<BusDatabase>,
  actionId: string,
  events: number,
): Promise<void> {
  await db.updateTable('operator_actions').set({ events }).where('id', '=', actionId).execute();
}

/** PostgreSQL's text holds no NUL, and its jsonb no half of a surrogate pair either. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

function toJson(details: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(details, (_, value: unknown) =>
    typeof value === 'string' ? storable(value) : value,
  );
}
