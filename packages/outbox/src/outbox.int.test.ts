import { projectCreated, userCreated, userRenamed } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { eventually } from '@event-bus/testkit';
import { type Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { TooManyAggregatesError } from './errors.ts';
import { createOutbox } from './outbox.ts';

const outbox = createOutbox();
let database: TestDatabase;
let db: Kysely<BusDatabase>;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  db = database.db;
});

afterEach(() => database.close());

const facts = (aggregateId: string) => ({ aggregateId, tenantId: 'acme', actorId: 'alice' });
const created = (id: string) =>
  userCreated({ ...facts(id), payload: { email: `${id}@example.com`, name: id } });
const renamed = (id: string, name: string) => userRenamed({ ...facts(id), payload: { name } });
const log = () => db.selectFrom('outbox_events').selectAll().orderBy('position').execute();

/** A transaction that stays open until it is told to end. */
async function openTransaction(run: (trx: Transaction<BusDatabase>) => Promise<unknown>) {
  const trx = await db.startTransaction().execute();
  await run(trx);
  return { commit: () => trx.commit().execute(), rollback: () => trx.rollback().execute() };
}

async function waitingForLock(): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select count(*) as n from pg_locks l join pg_database d on d.oid = l.database
    where d.datname = current_database() and l.locktype = 'advisory' and not l.granted`.execute(db);
  return Number(rows[0]?.n);
}

test('an event is in the log if, and only if, its transaction commits', async () => {
  const rolledBack = await openTransaction((trx) => outbox.append(trx, created('ann')));
  await rolledBack.rollback();
  const committed = await openTransaction((trx) => outbox.append(trx, created('bob')));
  await committed.commit();

  expect((await log()).map((row) => row.aggregate_id)).toEqual(['bob']);
});

test('events of one call are positioned in the order given', async () => {
  await db
    .transaction()
    .execute((trx) =>
      outbox.append(trx, created('ann'), renamed('ann', 'Ann B'), created('bob'), renamed('ann', 'Ann C')),
    );

  const rows = await log();
  expect(rows.map((row) => [row.aggregate_id, row.event_type])).toEqual([
    ['ann', 'user.created'],
    ['ann', 'user.renamed'],
    ['bob', 'user.created'],
    ['ann', 'user.renamed'],
  ]);
});

test('a second writer of an aggregate waits for the first, so positions are in commit order', async () => {
  const first = await openTransaction((trx) => outbox.append(trx, created('ann')));
  const second = openTransaction((trx) => outbox.append(trx, renamed('ann', 'Second')));
  await eventually(async () => (await waitingForLock()) === 1);
  await first.commit();
  await (await second).commit();

  expect((await log()).map((row) => row.event_type)).toEqual(['user.created', 'user.renamed']);
});

test('outbox_lock gives the same order to producers in plain SQL', async () => {
  const insert = (trx: Transaction<BusDatabase>, type: string) =>
    sql`
    with locked as materialized (select count(*) from (select outbox_lock('user', 'ann')) l)
    insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'ann', ${type}, 'acme', 'alice', '{}' from locked`.execute(trx);
  const first = await openTransaction(async (trx) => {
    await sql`select outbox_lock('user', 'ann')`.execute(trx);
    await insert(trx, 'first');
  });
  const second = openTransaction((trx) => outbox.append(trx, renamed('ann', 'Second')));
  await eventually(async () => (await waitingForLock()) === 1);
  await first.commit();
  await (await second).commit();

  expect((await log()).map((row) => row.event_type)).toEqual(['first', 'user.renamed']);
});

test('writers of different aggregates never wait for each other', async () => {
  const slow = await openTransaction((trx) => outbox.append(trx, created('ann')));
  await db.transaction().execute((trx) => outbox.append(trx, created('bob'), created('cyd')));
  await slow.commit();

  expect((await log()).map((row) => row.aggregate_id)).toEqual(['ann', 'bob', 'cyd']);
});

test('an import of 10,000 aggregates in one transaction makes nobody wait while it is open', async () => {
  const events = Array.from({ length: 10_000 }, (_, n) => created(`user-${n}`));
  const bulk = await openTransaction((trx) => outbox.appendBulk(trx, events));
  await db
    .transaction()
    .execute((trx) => outbox.append(trx, renamed('user-77', 'Meanwhile'), renamed('other', 'Other')));
  expect(await waitingForLock()).toBe(0);
  expect((await log()).map((row) => row.aggregate_id)).toEqual(['user-77', 'other']);
  await bulk.commit();

  const { n } = await db
    .selectFrom('outbox_events')
    .select((eb) => eb.fn.countAll().as('n'))
    .executeTakeFirstOrThrow();
  expect(Number(n)).toBe(10_002);
});

test('append refuses to lock more aggregates than the lock table should bear, and says what to use', async () => {
  const events = Array.from({ length: 257 }, (_, n) => created(`user-${n}`));
  const append = db.transaction().execute((trx) => outbox.append(trx, ...events));

  await expect(append).rejects.toThrow(TooManyAggregatesError);
  await expect(append).rejects.toThrow(/appendBulk/);
});

test('an event that breaks its contract is refused by path, and the transaction goes on', async () => {
  await db.transaction().execute(async (trx) => {
    const bad = userCreated({ ...facts('ann'), payload: { email: 'nonsense', name: 'Ann' } });
    await expect(outbox.append(trx, bad)).rejects.toThrow(/payload\.email/);
    await outbox.append(trx, created('bob'));
  });

  expect((await log()).map((row) => row.aggregate_id)).toEqual(['bob']);
});

test('a savepoint that is rolled back takes its events with it', async () => {
  await db.transaction().execute(async (trx) => {
    await outbox.append(trx, created('ann'));
    await sql`savepoint here`.execute(trx);
    await outbox.append(trx, renamed('ann', 'Never'));
    await sql`rollback to savepoint here`.execute(trx);
    await outbox.append(trx, renamed('ann', 'Kept'));
  });

  const rows = await log();
  expect(rows.map((row) => row.payload)).toEqual([
    { email: 'ann@example.com', name: 'ann' },
    { name: 'Kept' },
  ]);
});

test('slot is the first byte of the SHA-256 of type and id', async () => {
  await db.transaction().execute((trx) => outbox.append(trx, created('ann')));

  // printf 'user:ann' | sha256sum
  expect((await log())[0]?.slot).toBe(0xb7);
});

test('an event of any topic of the platform can be appended together with others', async () => {
  const project = projectCreated({ ...facts('p-1'), payload: { name: 'Apollo', ownerId: 'ann' } });
  await db.transaction().execute((trx) => outbox.append(trx, created('ann'), project));

  expect((await log()).map((row) => row.aggregate_type)).toEqual(['user', 'project']);
});

describe('in plain SQL', () => {
  const six = {
    aggregate_type: 'user',
    aggregate_id: 'ann',
    event_type: 'user.created',
    tenant_id: 'acme',
    actor_id: 'alice',
  };

  test.each([
    ['aggregate_type', { aggregate_type: 'User' }],
    ['event_type', { event_type: 'user created' }],
    ['aggregate_id', { aggregate_id: ' ' }],
    ['tenant_id', { tenant_id: '' }],
    ['actor_id', { actor_id: '  ' }],
    ['payload', { payload: JSON.stringify('x'.repeat(262_144)) }],
    ['event_version', { event_version: 0 }],
    ['tenant_id', { tenant_id: '\t\u00a0' }],
    ['aggregate_id', { aggregate_id: 'x'.repeat(513) }],
    ['aggregate_type', { aggregate_type: 'x'.repeat(513) }],
    ['occurred_at', { occurred_at: 'infinity' }],
    ['occurred_at', { occurred_at: '0044-03-15 BC' }],
  ])('the trigger refuses a bad %s by its name', async (column, bad) => {
    const insert = db
      .insertInto('outbox_events')
      .values({ ...six, payload: '{}', ...bad })
      .execute();

    await expect(insert).rejects.toMatchObject({ code: '23514', column });
    expect(await log()).toEqual([]);
  });

  test('a payload of exactly the limit is accepted', async () => {
    const payload = JSON.stringify('x'.repeat(262_142));
    await db
      .insertInto('outbox_events')
      .values({ ...six, payload })
      .execute();

    expect(await log()).toHaveLength(1);
  });

  test('rows are never updated', async () => {
    await db
      .insertInto('outbox_events')
      .values({ ...six, payload: '{}' })
      .execute();

    await expect(sql`update outbox_events set payload = '{"a":1}'`.execute(db)).rejects.toThrow(
      /insert-only/,
    );
  });

  test('a producer that puts operators and functions of its own before those of PostgreSQL changes nothing by it', async () => {
    const role = `producer_${database.name}`;
    await sql.raw(`create role ${role} login; create schema ${role} authorization ${role}`).execute(db);
    await sql`select outbox_grant_producer(${role})`.execute(db);
    const url = new URL(database.url);
    url.username = role;
    url.searchParams.set('options', `-c search_path=${role},pg_catalog,public`);
    const producer = new pg.Client({ connectionString: url.href });
    await producer.connect();
    const insert = (type: string) =>
      producer.query({
        text: `insert into public.outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
          values ($1, 'ann', 'user.created', 'acme', 'alice', '{}')`,
        values: [type],
      });
    try {
      await producer.query(`do $do$
        declare
          own record;
          types oid[] := '{text,int4,timestamptz,interval}'::regtype[]::oid[];
        begin
          for own in select p.proname, pg_get_function_identity_arguments(p.oid) as arguments, p.prorettype::regtype as result
            from pg_proc p where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and provariadic = 0 and proname in (
              'octet_length', 'btrim', 'now', 'isfinite', 'get_byte', 'sha256', 'convert_to', 'pg_current_xact_id', 'nextval',
              'pg_try_advisory_xact_lock_shared', 'current_setting', 'pg_notify')
          loop
            execute format('create function %I.%I(%s) returns %s language plpgsql as $$ begin raise exception ''hijacked''; end $$',
              current_user, own.proname, own.arguments, own.result);
          end loop;
          for own in select o.oid, o.oprname, o.oprleft::regtype as l, o.oprright::regtype as r, o.oprresult::regtype as result
            from pg_operator o where oprnamespace = 'pg_catalog'::regnamespace
              and oprname in ('!~', '=', '<>', '<', '>', '>=', '+', '-', '||') and oprleft = any (types) and oprright = any (types)
          loop
            execute format('create function %I.own_%s(%s, %s) returns %s language plpgsql as $$ begin raise exception ''hijacked''; end $$',
              current_user, own.oid, own.l, own.r, own.result);
            execute format('create operator %I.%s (leftarg = %s, rightarg = %s, function = %I.own_%s)',
              current_user, own.oprname, own.l, own.r, current_user, own.oid);
          end loop;
        end $do$`);
      await expect(producer.query(`select 'a'::text !~ 'b'`)).rejects.toThrow('hijacked');
      await expect(producer.query('select now()')).rejects.toThrow('hijacked');

      await insert('user');
      await expect(insert('Not A Type')).rejects.toMatchObject({ code: '23514', column: 'aggregate_type' });
    } finally {
      await producer.end();
    }
    expect(await log()).toMatchObject([{ position: '1', aggregate_id: 'ann' }]);
    await sql.raw(`drop owned by ${role} cascade; drop role ${role}`).execute(db);
  });

  test('a role that may only insert can insert the six columns, and do nothing else', async () => {
    const role = `producer_${database.name}`;
    await sql.raw(`create role ${role} login`).execute(db);
    await sql`select outbox_grant_producer(${role})`.execute(db);
    const url = new URL(database.url);
    url.username = role;
    const producer = new pg.Client({ connectionString: url.href });
    await producer.connect();
    try {
      await producer.query(
        `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
         values ('user', 'ann', 'user.created', 'acme', 'alice', '{"a": 1}')`,
      );
      await producer.query(`select outbox_lock('user', 'ann')`);
      for (const forbidden of [
        'select * from outbox_events',
        'delete from outbox_events',
        `update outbox_events set payload = '{}'`,
        'truncate outbox_events',
        `insert into outbox_events (position, aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
         values (1, 'user', 'ann', 'user.created', 'acme', 'alice', '{}')`,
        `insert into outbox_events (inserted_at, aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
         values (now(), 'user', 'ann', 'user.created', 'acme', 'alice', '{}')`,
        `select nextval('outbox_position')`,
        'select * from outbox_cursor',
        'update outbox_cursor set epoch = 99',
        'select * from inbox_events',
        'select * from outbox_status',
      ]) {
        await expect(producer.query(forbidden), forbidden).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await producer.end();
    }

    const [row] = await log();
    expect(row).toMatchObject({
      position: '1',
      aggregate_id: 'ann',
      event_version: 1,
      headers: {},
      payload: { a: 1 },
    });
    await sql.raw(`drop owned by ${role}; drop role ${role}`).execute(db);
  });
});
