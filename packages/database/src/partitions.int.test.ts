import { type Kysely, sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createDatabase, createPool } from './connection.ts';
import { ensurePartitions } from './partitions.ts';
import type { BusDatabase } from './schema.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let maker: Kysely<BusDatabase>;
/** What the server told the maker of partitions. */
let notices: string[];

/** An outbox and an inbox with nothing but their default partitions. */
beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  notices = [];
  const settings = { client_min_messages: 'debug1' };
  const pool = createPool({ url: database.url, applicationName: 'maker', settings });
  pool.on('connect', (client) =>
    client.on('notice', ({ message }) => notices.push(message ?? 'without a message')),
  );
  maker = createDatabase(pool);
  for (const name of await partitions('outbox_events'))
    await sql`drop table ${sql.table(name)}`.execute(database.db);
  for (const name of await partitions('inbox_events'))
    await sql`drop table ${sql.table(name)}`.execute(database.db);
  // Its lock would be one that is not to be had.
  for (const parent of ['outbox_events', 'inbox_events'])
    await sql`alter table ${sql.table(`${parent}_default`)} set (autovacuum_enabled = false)`.execute(
      database.db,
    );
});

afterEach(async () => {
  await maker.destroy();
  await database.close();
});

/** All but the default one. */
async function partitions(parent: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = ${parent}::regclass and inhrelid <> bus_default_partition(${parent}) order by 1`.execute(
    database.db,
  );
  return rows.map(({ name }) => name);
}

/** The names of an outbox's partitions of some days, counted from today. */
async function named(...days: readonly number[]): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select bus_partition_name('outbox_events', (now() at time zone 'UTC')::date + d) as name
    from unnest(${[...days]}::int[]) d order by 1`.execute(database.db);
  return rows.map(({ name }) => name);
}

async function guards(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select conname as name from pg_constraint where conname like '%\_lacks\_%'`.execute(database.db);
  return rows.map(({ name }) => name);
}

/** Events of a day, counted from today; some thousands are more than what is scanned lightly. */
const append = (count: number, day = 0) =>
  sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, inserted_at)
    select 'user', 'ann', 'test.happened', 'acme', 'alice', '{}', now() + make_interval(days => ${day}::int)
    from generate_series(1, ${count}::int)`.execute(database.db);

/** Inbox rows of an event that occurs some days from now. */
const handle = (days: number, count: number) =>
  sql`insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
    select 'g', gen_random_uuid(), now() + make_interval(days => ${days}::int), 'done', 'events:user', '1-0', 1
    from generate_series(1, ${count}::int)`.execute(database.db);

test('the days ahead are made, once', async () => {
  expect(await ensurePartitions(maker, 'outbox')).toBe(4);
  expect(await partitions('outbox_events')).toEqual(await named(0, 1, 2, 3));
  expect(await ensurePartitions(maker, 'outbox')).toBe(0);
});

test('a day whose rows already stand in the default partition stays there', async () => {
  await append(3);

  expect(await ensurePartitions(maker, 'outbox')).toBe(3);
  expect(await partitions('outbox_events')).toEqual(await named(1, 2, 3));
});

test('a default partition full of rows is not scanned while writers wait, and no constraint stays behind', async () => {
  await append(10_000);
  notices = [];

  expect(await ensurePartitions(maker, 'outbox')).toBe(2);
  expect(await partitions('outbox_events')).toEqual(await named(2, 3));
  const attached = notices.filter((notice) => /for default partition .* is implied by/.test(notice));
  expect(attached).toHaveLength(2);
  expect(await guards()).toEqual([]);
  await append(1);
});

test('who dies halfway keeps nobody from inserting today or tomorrow, and the next one finishes', async () => {
  await append(10_000);
  await sql`select bus_guard_partitions('outbox_events', 3)`.execute(database.db);

  expect(await guards()).toHaveLength(2);
  await append(1);
  await append(1, 1);
  expect(await ensurePartitions(maker, 'outbox')).toBe(2);
  expect(await guards()).toEqual([]);
});

test('rows of days to come keep their days where they are, and no others', async () => {
  await handle(0, 10_000);
  await handle(2, 1);

  expect(await ensurePartitions(maker, 'inbox')).toBe(1);
  expect(await guards()).toEqual([]);
  await handle(2, 1);
});

test('makers that start at once leave no constraint behind', async () => {
  await append(10_000);
  await Promise.all(Array.from({ length: 5 }, () => ensurePartitions(maker, 'outbox')));
  await ensurePartitions(maker, 'outbox');

  expect(await partitions('outbox_events')).toEqual(await named(2, 3));
  expect(await guards()).toEqual([]);
});

test('a maker that takes its time is not waited for', async () => {
  const other = await database.pool.connect();
  await other.query('begin');
  await other.query('select pg_advisory_xact_lock(1869968482, 3)');

  expect(await ensurePartitions(maker, 'outbox')).toBe(0);
  await other.query('commit');
  other.release();
  expect(await ensurePartitions(maker, 'outbox')).toBeGreaterThan(0);
});

test('a lock that is not to be had is left for the next call', async () => {
  const reader = await database.pool.connect();
  await reader.query('begin');
  await reader.query('select count(*) from outbox_events');

  expect(await ensurePartitions(maker, 'outbox')).toBe(0);
  await reader.query('commit');
  reader.release();
  expect(await ensurePartitions(maker, 'outbox')).toBe(4);
});
