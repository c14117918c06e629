import { setTimeout as delay } from 'node:timers/promises';
import type { NewEvent } from '@event-bus/contracts';
import { type BusDatabase, createDatabase, createPool } from '@event-bus/database';
import { createOutbox } from '@event-bus/outbox';
import { sql, type Transaction } from 'kysely';
import { createScenario, type Plan } from './scenario.ts';
import { troubleOf } from './trouble.ts';

/** What the producer has done so far. */
export interface Produced {
  /** Events of committed transactions. */
  readonly events: number;
  readonly byPlainSql: number;
  /** Events of transactions that were rolled back on purpose. */
  readonly rolledBack: number;
}

/** An application that changes its data and says so, in the same transactions. */
export interface Producer {
  /** Resolves when the last transaction is committed, or soon after the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves as soon as this share (0 to 1) of all events is appended. */
  reached(share: number): Promise<void>;
  produced(): Produced;
}

const writers = 6;
const outbox = createOutbox();

/** Creates a producer of so many events, of which it begins at most `rate` per second. */
export function createProducer(options: {
  readonly url: string;
  readonly events: number;
  readonly rate: number;
}): Producer {
  const { url, events: total, rate } = options;
  const scenario = createScenario(total);
  const waiting = new Set<{ readonly events: number; readonly resolve: () => void }>();
  const done = { events: 0, byPlainSql: 0, rolledBack: 0 };
  // Of transactions under way or committed.
  let claimed = 0;

  function note(plan: Plan, outcome: Outcome): void {
    const { length } = plan.events;
    if (outcome !== 'committed') claimed -= length;
    if (outcome === 'rolled back') done.rolledBack += length;
    if (outcome !== 'committed') return;
    scenario.committed(plan.events);
    done.events += length;
    if (plan.by === 'sql') done.byPlainSql += length;
    for (const waiter of waiting) if (done.events >= waiter.events) waiter.resolve();
  }

  return {
    produced: () => ({ ...done }),
    reached: (share) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const events = Math.ceil(total * share);
      if (done.events >= events) resolve();
      else waiting.add({ events, resolve });
      return promise;
    },
    async run(signal) {
      const db = createDatabase(createPool({ url, applicationName: 'demo producer', max: writers }));
      const startedAt = performance.now();
      const write = async () => {
        while (done.events < total && !signal.aborted) {
          const early = startedAt + (claimed * 1_000) / rate - performance.now();
          // The last events are under way; should one of them be rolled back, another takes its place.
          if (early > 0 || claimed === total) await delay(Math.min(Math.max(early, 5), 50));
          if (early > 50 || claimed === total) continue;
          const plan = scenario.next(total - claimed);
          claimed += plan.events.length;
          note(
            plan,
            await db
              .transaction()
              .execute((trx) => carryOut(trx, plan))
              .catch(outcomeOf),
          );
        }
      };
      try {
        await Promise.all(Array.from({ length: writers }, write));
      } finally {
        await db.destroy();
      }
    },
  };
}

type Outcome = 'committed' | 'rolled back' | 'gone';

/** Thrown to roll a transaction back: on purpose, or because what it wanted to change is gone. */
class RollBack extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof RollBack) return error.outcome;
  throw error;
}

async function carryOut(trx: Transaction<BusDatabase>, plan: Plan): Promise<Outcome> {
  const versions: number[] = [];
  // The row's lock makes the versions of one user or project follow the order of the commits.
  for (const event of plan.events) versions.push(await changeRecord(trx, event));
  const appended =
    plan.by === 'append' ? await outbox.append(trx, ...plan.events) : await insertBySql(trx, plan.events);
  for (const [index, event] of plan.events.entries()) {
    await sql`
      insert into demo.appended (event_id, aggregate_type, aggregate_id, version, event_type, trouble)
      values (${appended[index]?.eventId}, ${event.aggregateType}, ${event.aggregateId}, ${versions[index]},
        ${event.type}, ${troubleOf(event.payload) ?? null})`.execute(trx);
  }
  if (plan.dawdleMs > 0) await delay(plan.dawdleMs);
  if (plan.rollBack) throw new RollBack('rolled back');
  return 'committed';
}

async function changeRecord(trx: Transaction<BusDatabase>, event: NewEvent): Promise<number> {
  const { aggregateType: type, aggregateId: id } = event;
  const { rows } = event.type.endsWith('.created')
    ? await sql<{ version: number }>`
        insert into demo.records (type, id, version) values (${type}, ${id}, 1) returning version`.execute(
        trx,
      )
    : await sql<{ version: number }>`
        update demo.records set version = version + 1, is_deleted = ${event.type.endsWith('.deleted')}
        where type = ${type} and id = ${id} and not is_deleted
        returning version`.execute(trx);
  const [row] = rows;
  if (row === undefined) throw new RollBack('gone');
  return row.version;
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
