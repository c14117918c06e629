import { randomUUID } from 'node:crypto';
import { createDispatcher } from '@event-bus/consumer/runner';
import { platformCatalog } from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import consumer from './consumer.ts';
import { createTables } from './create-tables.ts';

let database: TestDatabase;
let pool: ReturnType<typeof createPool>;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  pool = createPool({ url: database.url, applicationName: 'user-directory test', pipeline: true });
  await createTables(database.db);
});

afterEach(async () => {
  await pool.end();
  await database.close();
});

let position = 0;

/** An entry of the stream, as it is handed out. */
function entry(type: string, payload: object, version = '1') {
  position += 1;
  const fields = {
    event_id: randomUUID(),
    source: 'test',
    position: String(position),
    event_type: type,
    event_version: version,
    aggregate_type: 'user',
    aggregate_id: 'ann',
    tenant_id: 'acme',
    actor_id: 'ann',
    occurred_at: '2026-02-03T04:05:06.789012Z',
    payload: JSON.stringify(payload),
    traceparent: '',
    tracestate: '',
    correlation_id: '',
    causation_id: '',
  };
  return { stream: 'events:user', id: `${position}-1`, deliveries: 1, fields };
}

/** The token of the right to handle the stream, as a runner gets it. */
async function acquireLease(holder: string): Promise<bigint> {
  const { rows } = await sql<{ token: string }>`
    select inbox_acquire_lease('user-directory', 'events:user', ${holder}, '0 ms') as token`.execute(
    database.db,
  );
  return BigInt(rows[0]?.token ?? 0);
}

async function createHandle() {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const dispatcher = createDispatcher({ consumer, catalog: platformCatalog, pool, logger });
  const lease = { stream: 'events:user', token: await acquireLease('one') };
  return (delivery: ReturnType<typeof entry>, by = lease) =>
    dispatcher.handle({ delivery, attempt: 1, lease: by }, new AbortController().signal);
}

const directory = async () =>
  (
    await sql`select user_id, tenant_id, name, email, deleted_at, version from user_directory`.execute(
      database.db,
    )
  ).rows;

const history = async () => {
  const { rows } = await sql<{ version: number; event_type: string }>`
    select version, event_type from user_directory_history order by user_id, version`.execute(database.db);
  return rows.map(({ version, event_type }) => `${version} ${event_type}`);
};

const created = () => entry('user.created', { name: 'Ann', email: 'ann@example.com' }, '2');
const renamed = (name: string) => entry('user.renamed', { name });

test('the events of a user become a row, and a history in their order', async () => {
  const handle = await createHandle();
  await handle(created());
  await handle(renamed('Ann B'));
  await handle(entry('user.email-changed', { email: 'b@example.com' }));
  await handle(renamed('Ann C'));

  expect(await directory()).toEqual([
    {
      user_id: 'ann',
      tenant_id: 'acme',
      name: 'Ann C',
      email: 'b@example.com',
      deleted_at: null,
      version: 4,
    },
  ]);
  expect(await history()).toEqual([
    '1 user.created',
    '2 user.renamed',
    '3 user.email-changed',
    '4 user.renamed',
  ]);
});

test('a removed user keeps no name and no address', async () => {
  const handle = await createHandle();
  await handle(created());
  await handle(entry('user.deleted', { reason: 'asked for it' }));

  expect(await directory()).toMatchObject([
    { name: null, email: null, deleted_at: new Date('2026-02-03T04:05:06.789Z'), version: 2 },
  ]);
});

test('an event that is delivered twice, in whatever entry, changes nothing the second time', async () => {
  const handle = await createHandle();
  await handle(created());
  const first = renamed('Ann B');
  await handle(first);
  await handle(renamed('Ann C'));

  expect(await handle({ ...first, id: '99-1', deliveries: 2 })).toEqual({
    kind: 'settled',
    how: 'duplicate',
  });

  expect(await directory()).toMatchObject([{ name: 'Ann C', version: 3 }]);
  expect(await history()).toHaveLength(3);
});

test('a runner that lost the stream to another changes nothing', async () => {
  const handle = await createHandle();
  await handle(created());
  await acquireLease('two');

  expect(await handle(renamed('Ann B'))).toMatchObject({ kind: 'interrupted', cause: 'fenced' });

  expect(await directory()).toMatchObject([{ name: 'Ann', version: 1 }]);
});

test('a user the directory has not heard of is added with what is known', async () => {
  const handle = await createHandle();
  await handle(renamed('Ann B'));

  expect(await directory()).toMatchObject([{ name: 'Ann B', email: null, version: 1 }]);
});

test('the tables can be created again, and by many at once, with their rows in place', async () => {
  const handle = await createHandle();
  await handle(created());
  await Promise.all(Array.from({ length: 8 }, () => createTables(database.db)));

  expect(await directory()).toHaveLength(1);
});
