import { randomUUID } from 'node:crypto';
import { platformCatalog } from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger, type Logger } from '@event-bus/telemetry';
import { eventually } from '@event-bus/testkit';
import { type Delivery, namedFields } from '@event-bus/transport';
import type { Generated } from 'kysely';
import type pg from 'pg';
import type { ConsumerDefinition } from '../define-consumer.ts';
import { consumersFor } from '../define-consumer.ts';
import { createDispatcher } from '../dispatcher.ts';
import type { Lease, Progress, Settlement, Work } from '../settlement.ts';

/** What the handlers under test write. */
export interface EffectsDatabase {
  effects: { id: Generated<number>; event_id: string; note: string };
}

export const { defineConsumer, on } = consumersFor<EffectsDatabase>();

/** A database with a table of effects, and dispatchers on it. */
export interface Bench {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  /** What was logged, one object a line. */
  readonly logs: Record<string, unknown>[];
  readonly logger: Logger;
  dispatcher(
    consumer: ConsumerDefinition,
    options?: { readonly pool?: pg.Pool; readonly transactionIdleMs?: number },
  ): {
    readonly handle: (work: Work, signal: AbortSignal, progress?: Progress) => Promise<Settlement>;
    readonly handleTogether: (
      works: readonly Work[],
      signal: AbortSignal,
      progress?: Progress,
    ) => Promise<Settlement[]>;
    readonly findSettled: (
      deliveries: readonly Delivery[],
      signal: AbortSignal,
    ) => Promise<ReadonlySet<Delivery>>;
  };
  /** Event IDs of all effects, sorted. */
  effects(): Promise<string[]>;
  inbox(): Promise<{ event_id: string; outcome: string; reason: string | null; attempt: number }[]>;
  /** Waits until no session of the dispatchers' pool is in a transaction. */
  untilIdle(): Promise<true>;
  close(): Promise<void>;
}

/** Creates a bench on a database of its own. */
export async function createBench(serverUrl: string): Promise<Bench> {
  const database = await createTestDatabase(serverUrl);
  await database.pool.query(
    'create table effects (id serial primary key, event_id uuid not null, note text not null)',
  );
  const applicationName = 'dispatcher';
  const pool = createPool({ url: database.url, applicationName, max: 8, pipeline: true });
  const logs: Record<string, unknown>[] = [];
  const logger = createLogger({
    service: 'test',
    level: 'debug',
    destination: { write: (line) => logs.push(JSON.parse(line) as Record<string, unknown>) },
  });
  return {
    database,
    pool,
    logs,
    logger,
    dispatcher: (consumer, options) =>
      createDispatcher({ consumer, catalog: platformCatalog, pool, logger, ...options }),
    async effects() {
      const { rows } = await database.pool.query<{ event_id: string }>(
        'select event_id from effects order by event_id',
      );
      return rows.map((row) => row.event_id);
    },
    async inbox() {
      return database.db
        .selectFrom('inbox_events')
        .select(['event_id', 'outcome', 'reason', 'attempt'])
        .orderBy('event_id')
        .execute();
    },
    untilIdle: () =>
      eventually(async () => {
        const { rowCount } = await database.pool.query(
          "select from pg_stat_activity where application_name = $1 and state <> 'idle' and datname = current_database()",
          [applicationName],
        );
        return rowCount === 0;
      }),
    async close() {
      await pool.end();
      await database.close();
    },
  };
}

let sequence = 0;

/** A delivery of `user.renamed`, of an aggregate of its own unless told otherwise. */
export function delivery(fields: Record<string, string> = {}, entry: Partial<Delivery> = {}): Delivery {
  sequence += 1;
  return {
    stream: 'events:user',
    id: `${Date.now()}-${sequence}`,
    deliveries: 1,
    ...entry,
    fields: {
      ...namedFields([]),
      event_id: randomUUID(),
      source: 'test',
      position: String(sequence),
      event_type: 'user.renamed',
      event_version: '1',
      aggregate_type: 'user',
      aggregate_id: `user-${sequence}`,
      tenant_id: 'tenant',
      actor_id: 'actor',
      occurred_at: '2026-11-23 10:00:00.123456+00',
      payload: '{"name":"Ada"}',
      ...fields,
    },
  };
}

/** A first attempt. */
export function work(delivered: Delivery = delivery(), attempt = 1, lease?: Lease): Work {
  return { delivery: delivered, attempt, ...(lease && { lease }) };
}

/** The ID of a work's event. */
export function eventIdOf({ delivery: { fields } }: Work): string {
  return fields.event_id ?? '';
}

/** How many settlements there are of each kind. */
export function countKinds(settlements: readonly Settlement[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const settlement of settlements) {
    const kind = settlement.kind === 'settled' ? settlement.how : settlement.kind;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** A signal that never aborts. */
export const never: AbortSignal = new AbortController().signal;
