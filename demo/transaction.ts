import { setTimeout as delay } from 'node:timers/promises';
import type { NewEvent } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import { createOutbox } from '@event-bus/outbox';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Plan } from './scenario.ts';
import { troubleOf } from './trouble.ts';

/** What became of a transaction: `gone` if it wanted to change what somebody has deleted. */
export type Outcome = 'committed' | 'rolled back' | 'gone';

const outbox = createOutbox();

/** Changes the application's data as planned, and says so, in one transaction. */
export async function carryOut(db: Kysely<BusDatabase>, plan: Plan): Promise<Outcome> {
  try {
    await db.transaction().execute((trx) => change(trx, plan));
    return 'committed';
  } catch (error) {
    if (error instanceof RollBack) return error.outcome;
    throw error;
  }
}

/** Thrown to roll a transaction back: on purpose, or because what it wanted to change is gone. */
class RollBack extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

async function change(
  trx: Transaction<BusDatabase>,
  { events, by, dawdleMs, rollBack }: Plan,
): Promise<void> {
  const versions = await changeRecords(trx, events);
  const appended = by === 'append' ? await outbox.append(trx, ...events) : await insertBySql(trx, events);
  await sql`
    insert into demo.appended (event_id, aggregate_type, aggregate_id, version, event_type, trouble)
    select * from unnest(
      ${appended.map(({ eventId }) => eventId)}::uuid[],
      ${events.map((event) => event.aggregateType)}::text[],
      ${events.map((event) => event.aggregateId)}::text[],
      ${events.map((event) => versions.get(event.aggregateId))}::integer[],
      ${events.map((event) => event.type)}::text[],
      ${events.map((event) => troubleOf(event.payload) ?? null)}::text[])`.execute(trx);
  if (dawdleMs > 0) await delay(dawdleMs);
  if (rollBack) throw new RollBack('rolled back');
}

/** Returns the new version of each user and project: their rows' locks make versions follow the order of the commits. */
async function changeRecords(
  trx: Transaction<BusDatabase>,
  events: readonly NewEvent[],
): Promise<Map<string, number>> {
  // In one order for all, so that two transactions on the same records cannot deadlock.
  const { rows } = await sql<{ id: string; version: number }>`
    insert into demo.records as r (type, id, version, is_deleted)
    select e.type, e.id, 1, e.is_deleted
    from unnest(
      ${events.map((event) => event.aggregateType)}::text[],
      ${events.map((event) => event.aggregateId)}::text[],
      ${events.map((event) => event.type.endsWith('.deleted'))}::boolean[]) as e(type, id, is_deleted)
    order by e.type, e.id
    on conflict (type, id) do update set version = r.version + 1, is_deleted = excluded.is_deleted
      where not r.is_deleted
    returning r.id, r.version`.execute(trx);
  if (rows.length < events.length) throw new RollBack('gone');
  return new Map(rows.map(({ id, version }) => [id, version]));
}

/** What a producer in any other language does: the lock of the aggregate, and an INSERT with six columns. */
async function insertBySql(trx: Transaction<BusDatabase>, events: readonly NewEvent[]) {
  const appended: { readonly eventId: string }[] = [];
  for (const { aggregateType, aggregateId, type, tenantId, actorId, payload } of events) {
    await sql`select outbox_lock(${aggregateType}, ${aggregateId})`.execute(trx);
    const { rows } = await sql<{ eventId: string }>`
      insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
      values (${aggregateType}, ${aggregateId}, ${type}, ${tenantId}, ${actorId}, ${JSON.stringify(payload)})
      returning event_id as "eventId"`.execute(trx);
    appended.push(...rows);
  }
  return appended;
}
