import { registerGroup, registerInboxWindows, registerOutboxWindow } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { registerInboxGroup } from '@event-bus/inbox';
import { eventually, type RedisServer, startRedis } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createForgotten } from '../runner/forgotten.ts';
import { type InboxPruneReport, pruneInbox } from './prune-inbox.ts';

const dayMs = 86_400_000;
const stream = 'events:user';

let database: TestDatabase;
let redis: RedisServer;
let transport: ReturnType<typeof createRedisTransport>;
/** Of the old partition: one and the same also if midnight passes in the midst of a test. */
let oldDay: string;

/** A group of 30 days whose outbox of 7 days has dropped all of 60 days ago; its partition is that of 90 days ago. */
beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  redis = await startRedis();
  transport = createRedisTransport({ url: redis.url });
  await registerInboxGroup(database.db, {
    group: 'mail',
    onDeadLetter: 'continue',
    maxDeliveries: 5,
    claimIdleMs: 30_000,
  });
  await registerGroup(database.db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  await registerOutboxWindow(database.db, { source: 'shop', keepMs: 7 * dayMs });
  await registerInboxWindows(database.db, [{ group: 'mail', keepMs: 30 * dayMs, longestWaitMs: 14 * dayMs }]);
  await run(`select pg_catalog.set_config('timezone', 'UTC', false)`);
  const day = (daysAgo: number) => new Date(Date.now() - daysAgo * dayMs).toISOString().slice(0, 10);
  oldDay = day(90);
  await run(`create table old_day partition of inbox_events for values from ('${oldDay}') to ('${day(89)}')`);
  await call('XGROUP', 'CREATE', stream, 'mail', '0', 'MKSTREAM');
});

afterEach(async () => {
  await transport.close();
  await redis.stop();
  await database.close();
});

const run = (statement: string) => database.pool.query(statement);

async function call(...command: readonly [string, ...string[]]): Promise<unknown> {
  const client = redis.client();
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

const prune = (
  keepMs = 30 * dayMs,
  { signal = AbortSignal.timeout(60_000), waitMs = 100 } = {},
): Promise<InboxPruneReport> =>
  pruneInbox({ inbox: database.db, bus: database.db, streams: transport.observer() }, keepMs, signal, waitMs);

/** By when the outbox lacked what it was given by then, and up to which position. */
const floor = (sinceDaysAgo: number, daysAgo: number, position: number) =>
  run(`insert into outbox_floors (source, since, position, inserted_at) values
    ('shop', now() - interval '${sinceDaysAgo} days', ${position}, now() - interval '${daysAgo} days')`);

const settle = (settledDaysAgo: number, outcome = 'done') =>
  run(`insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt, processed_at)
    values ('mail', gen_random_uuid(), '${oldDay} 12:00+00', '${outcome}', '${stream}', '1-0', 1,
      now() - interval '${settledDaysAgo} days')`);

const isThere = async () => {
  const { rows } = await run(`select to_regclass('old_day') is not null as there`);
  return (rows[0] as { there: boolean }).there;
};

test('a partition goes when its newest event was settled before anything that may come again', async () => {
  await settle(89);
  await floor(50, 60, 1_000);
  const report = await prune();

  expect(report).toMatchObject({ dropped: ['old_day'], kept: [] });
  expect(await isThere()).toBe(false);
  expect((await run('select consumer_group, stream, source, position from inbox_floors')).rows).toEqual([
    { consumer_group: 'mail', stream, source: 'shop', position: '1000' },
  ]);
});

test('it stays until every runner may know what is forgotten with it, though who raised that died meanwhile', async () => {
  await settle(89);
  await floor(50, 60, 1_000);
  const patient = { waitMs: 600_000 };
  const died = new AbortController();
  const first = prune(30 * dayMs, { ...patient, signal: died.signal });
  first.catch(() => 'awaited below');
  await eventually(async () => (await run('select from inbox_floors')).rowCount === 1);
  died.abort();
  await expect(first).rejects.toThrow();

  await expect(prune(30 * dayMs, { ...patient, signal: AbortSignal.timeout(500) })).rejects.toThrow();
  expect(await isThere()).toBe(true);
  await run(`update inbox_floors set raised_at = now() - interval '11 minutes'`);
  expect((await prune(30 * dayMs, patient)).dropped).toEqual(['old_day']);
});

test('it stays while one of its events was settled lately, and while the outbox may still have it', async () => {
  await settle(89);
  await settle(10);
  await floor(50, 60, 1_000);
  expect((await prune()).kept).toMatchObject([{ partition: 'old_day', kind: 'young' }]);

  await run(`delete from inbox_events where processed_at > now() - interval '20 days'`);
  await run('delete from outbox_floors');
  const nothing = await prune();
  expect(nothing.kept).toMatchObject([{ partition: 'old_day', kind: 'unknown' }]);
  expect(nothing.kept[0]?.reason).toMatch(
    /^entries written since .* may still come, because .*; by then outbox shop had dropped nothing/,
  );
  // What it dropped lately says nothing of entries that were written before.
  await floor(1, 60, 1_000);
  expect((await prune()).dropped).toEqual([]);
  expect(await isThere()).toBe(true);
});

test('it stays while the group has yet to settle an entry that was written when the outbox had it', async () => {
  await settle(89);
  await floor(50, 60, 1_000);
  const written = Date.now() - 70 * dayMs;
  await call('XADD', stream, `${written}-0`, 'event_id', 'e');
  const waiting = await prune();

  expect(waiting.dropped).toEqual([]);
  expect(waiting.kept[0]?.reason).toContain(`group mail has yet to settle entry ${written}-0 of ${stream}`);
  await call('XREADGROUP', 'GROUP', 'mail', 'c', 'STREAMS', stream, '>');
  expect((await prune()).dropped).toEqual([]);
  await call('XACK', stream, 'mail', `${written}-0`);
  expect((await prune()).dropped).toEqual(['old_day']);
});

test.each([stream, `{${stream}}:inject:mail`])('it stays while nobody can read %s', async (key) => {
  await settle(89);
  await floor(50, 60, 1_000);
  await call('DEL', key);
  await call('SET', key, 'x');
  const { kept } = await prune();

  expect(kept).toMatchObject([{ partition: 'old_day', kind: 'unknown' }]);
  expect(kept[0]?.reason).toContain(`${stream}, which group mail reads, cannot be read: WRONGTYPE`);
  await call('DEL', key);
  await call('XGROUP', 'CREATE', stream, 'mail', '0', 'MKSTREAM').catch(() => 'it is there');
  expect((await prune()).dropped).toEqual(['old_day']);
});

test('it stays while PostgreSQL refuses to empty it, and keeps no other', async () => {
  await settle(89);
  await floor(50, 60, 1_000);
  const before = new Date(Date.parse(oldDay) - dayMs).toISOString().slice(0, 10);
  await run(
    `create table older_day partition of inbox_events for values from ('${before}') to ('${oldDay}')`,
  );
  await run(
    `create function refuse() returns trigger language plpgsql as 'begin raise exception ''not this one''; end'`,
  );
  await run('create trigger guard before truncate on older_day execute function refuse()');
  const { dropped, kept } = await prune();

  expect(dropped).toEqual(['old_day']);
  expect(kept).toMatchObject([{ partition: 'older_day', kind: 'failed' }]);
  expect(kept[0]?.reason).toContain('not this one');
  await run('drop function refuse cascade');
  expect((await prune()).dropped).toEqual(['older_day']);
});

test('it stays while a dead letter of it waits for somebody', async () => {
  await settle(89, 'dead');
  await floor(50, 60, 1_000);
  await run(`insert into dead_letters (consumer_group, event_id, occurred_at, kind, reason, error, stack, fingerprint,
      attempts, history, deliveries, consumer, first_delivered_at, stream, stream_id, fields, source, event_type,
      aggregate_type, aggregate_id, tenant_id, trace_id)
    select consumer_group, event_id, occurred_at, 'attempts', 'r', 'e', '', 'f', 5, '[]', 5, 'c', now(), stream, stream_id, '{}',
      'shop', 'user.created', 'user', 'u', 't', '' from inbox_events`);
  const { kept } = await prune();

  expect(kept).toMatchObject([{ partition: 'old_day', kind: 'dead-letter' }]);
  expect(kept[0]?.reason).toMatch(/^event [0-9a-f-]+ is a dead letter of group mail/);
  await run(`update dead_letters set state = 'discarded'`);
  expect((await prune()).dropped).toEqual(['old_day']);
});

test('old rows of the default partition go, and handlers that run for long hold up nothing but the empty shell', async () => {
  await settle(89);
  await run(`insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt, processed_at)
    select 'mail', gen_random_uuid(), now() - interval '300 days', 'done', '${stream}', '1-0', 1,
      now() - make_interval(days => d) from unnest('{80,1}'::int[]) d`);
  await floor(50, 60, 1_000);
  const handler = await database.pool.connect();
  await handler.query('begin');
  await handler.query(`insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
    values ('mail', gen_random_uuid(), now(), 'done', '${stream}', '2-0', 1)`);
  const report = await prune();
  const left = await run('select from inbox_events');
  await handler.query('commit');
  handler.release();

  expect(report).toMatchObject({ dropped: [], defaultRows: 1, kept: [{ kind: 'lock' }] });
  expect(left.rowCount).toBe(1);
  expect((await prune()).dropped).toEqual(['old_day']);
});

test('what comes again after its inbox row went is known by its position, unless somebody injected it', async () => {
  await settle(89);
  await floor(50, 60, 1_000);
  await prune();
  const warnings: unknown[] = [];
  const logger = { warn: (fields: unknown) => warnings.push(fields) };
  const forgotten = createForgotten({
    group: { group: 'mail' },
    inbox: database.db,
    logger,
  } as unknown as Parameters<typeof createForgotten>[0]);
  await forgotten.load();
  const delivery = (position: string, more: object = {}) => ({
    stream,
    id: '1-0',
    deliveries: 1,
    fields: { source: 'shop', position, event_id: 'e' },
    ...more,
  });

  expect(forgotten.has(delivery('1000'))).toBe(true);
  expect(forgotten.has(delivery('1001'))).toBe(false);
  expect(forgotten.has(delivery('1', { injected: true }))).toBe(false);
  expect(forgotten.has({ ...delivery('1'), fields: { source: 'other', position: '1' } })).toBe(false);
  // The group did not read it then.
  expect(forgotten.has(delivery('1', { stream: 'events:order' }))).toBe(false);
  expect(warnings).toHaveLength(1);
});
