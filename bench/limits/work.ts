import { randomUUID } from 'node:crypto';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import pg from 'pg';
import type { Effects } from '../consumer.ts';
import { aggregateOf, stream } from '../fill/events.ts';
import { parameter } from '../harness/parameters.ts';

const group = 'bench';

/** What a handler would be told. */
export interface Work {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly entryId: string;
  readonly note: string;
}

/** Work that is there already. */
export function createWork(count: number): Work[] {
  return Array.from({ length: count }, (_, index) => ({
    eventId: randomUUID(),
    aggregateId: aggregateOf(index),
    entryId: `1767261600000-${index}`,
    note: 'x'.repeat(230),
  }));
}

/** Opens connections that send a statement without waiting for the reply to the one before. */
export async function connect(connections: number): Promise<pg.Client[]> {
  return Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client({ connectionString: parameter('DATABASE_URL'), pipeline: true });
      await client.connect();
      return client;
    }),
  );
}

/** One inbox row per event, in one statement. */
export function insertInboxRows(client: pg.ClientBase, work: readonly Work[]): Promise<pg.QueryResult> {
  return client.query({
    name: 'inbox',
    text: `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
      select '${group}', event_id, '2026-01-01 10:00:00.123456+00', 'done', '${stream}', stream_id, 1
      from unnest($1::uuid[], $2::text[]) as w(event_id, stream_id)
      on conflict do nothing returning event_id`,
    values: [work.map(({ eventId }) => eventId), work.map(({ entryId }) => entryId)],
  });
}

const kysely = new Kysely<Effects>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  },
});

/** What a handler writes, put together by kysely each time, as a handler does. */
export function insertEffectByKysely(
  client: pg.ClientBase,
  { eventId, aggregateId, note }: Work,
): Promise<unknown> {
  const { sql, parameters } = kysely
    .insertInto('effects')
    .values({ event_id: eventId, aggregate_id: aggregateId, note })
    .compile();
  return client.query({ name: 'effect', text: sql, values: [...parameters] });
}

/** What a handler writes. */
export function insertEffect(client: pg.ClientBase, { eventId, aggregateId, note }: Work): Promise<unknown> {
  return client.query({
    name: 'effect',
    text: 'insert into effects (event_id, aggregate_id, note) values ($1, $2, $3)',
    values: [eventId, aggregateId, note],
  });
}
