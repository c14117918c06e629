import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { monitorMetrics } from '@event-bus/telemetry/names';
import {
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

let database: TestDatabase;
let redis: RedisServer;
let monitor: ServiceProcess | undefined;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  redis = await startRedis();
});

afterEach(async () => {
  await monitor?.stop();
  monitor = undefined;
  await redis.stop();
  await database.close();
});

/** The metrics of a running monitor, once it has looked after this call. */
async function metrics(): Promise<Map<string, number>> {
  monitor ??= await spawnService({
    entry: join(import.meta.dirname, 'main.ts'),
    cwd: join(import.meta.dirname, '..', '..', '..'),
    env: { DATABASE_URL: database.url, REDIS_URL: redis.url, MONITOR_EVERY: '100ms' },
  });
  await monitor.waitFor(/"msg":"started"/);
  const port = /"port":(\d+)/.exec(monitor.output())?.[1];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return new Map(
    [...text.matchAll(/^([a-z_]+)(?:\{(.*?)\})? (\S+)/gm)].map(([, name = '', labels = '', value = '']) => {
      const own = [...labels.matchAll(/(\w+)="(.*?)"/g)]
        .filter(([, label]) => !label?.startsWith('otel_scope'))
        .map(([, , text]) => text);
      return [[name, ...own].join(' '), Number(value)];
    }),
  );
}

const toPrometheus = (name: string) => name.replaceAll('.', '_');

test('tells how far behind a group is, on every stream that it reads', async () => {
  await sql`insert into topics (name, partitions) values ('user', 1)`.execute(database.db);
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{user}', 'none', 'beginning'), ('sms', '{user}', 'none', 'beginning')`.execute(
    database.db,
  );
  const transport = createRedisTransport({ url: redis.url });
  const reader = transport.reader();
  await reader.ensureGroup({ stream: 'events:user', group: 'mail' }, '0');
  const client = redis.client();
  for (let n = 0; n < 5; n += 1) await client.xadd('events:user', `1000-${n + 1}`, 'event_id', randomUUID());
  await reader.read({
    group: 'mail',
    consumer: 'c',
    from: [{ stream: 'events:user' }],
    count: 2,
    blockMs: 0,
  });
  await transport.close();

  const found = await eventually(async () => {
    const all = await metrics();
    return all.get('redis_consumer_lag events:user mail') === 3 && all;
  });

  expect(found.get('redis_stream_length events:user')).toBe(5);
  expect(found.get('redis_consumer_pending events:user mail')).toBe(2);
  expect(found.get('redis_consumer_lag_seconds events:user mail')).toBeGreaterThan(1_000_000);
  expect(found.get('redis_consumer_missing events:user sms')).toBe(1);
  // What cannot be known is not zero.
  expect(found.has('redis_consumer_lag events:user sms')).toBe(false);
  expect(found.has('redis_memory_usage')).toBe(false);
});

test('tells what waits in the outbox, what is dead, and which groups are paused or stopped by their circuits', async () => {
  await sql`insert into topics (name, partitions) values ('user', 1)`.execute(database.db);
  await sql`insert into consumer_groups (name, topics, ordering, start_from, paused_at)
    values ('mail', '{user}', 'none', 'beginning', now())`.execute(database.db);
  await sql`insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
    values ('mail', 'continue', 5, 30000)`.execute(database.db);
  await sql`insert into group_runners (consumer_group, runner, events, circuit)
    values ('mail', 'a', '{}', 'open'), ('mail', 'b', '{}', 'closed')`.execute(database.db);
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'u', 'user.created', 't', 'a', '{}')`.execute(database.db);

  const found = await eventually(async () => {
    const all = await metrics();
    return all.get('bus_group_circuits_open mail') === 1 && all;
  });

  expect(found.get('bus_group_runners mail')).toBe(2);
  expect(found.get('bus_group_paused mail')).toBe(1);
  expect(found.get('bus_dead_letters mail')).toBe(0);
  expect(found.get('bus_outbox_pending ')).toBe(1);
  expect(found.get('bus_outbox_led ')).toBe(0);
});

test('every gauge that is named is published', async () => {
  await redis.client().config('SET', 'maxmemory', '1gb');
  await sql`insert into topics (name, partitions) values ('user', 1)`.execute(database.db);
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{user}', 'none', 'beginning')`.execute(database.db);
  await sql`insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
    values ('mail', 'continue', 5, 30000)`.execute(database.db);
  await redis.client().xgroup('CREATE', 'events:user', 'mail', '0', 'MKSTREAM');
  // There is no replica whose lag could be told.
  const { replicationLag, ...named } = monitorMetrics;

  const published = await eventually(async () => {
    const names = [...(await metrics()).keys()].map((key) => key.split(' ')[0] ?? '');
    return names.some((name) => name === 'redis_memory_usage') && names;
  });

  const missing = Object.values(named).filter(
    (name) => !published.some((found) => found.startsWith(toPrometheus(name))),
  );
  expect(missing).toEqual([]);
  expect(published.some((name) => name.startsWith(toPrometheus(replicationLag)))).toBe(false);
});

test('tells for how long entries are due to be archived, and which group keeps them from being trimmed', async () => {
  const dayMs = 86_400_000;
  await sql`insert into topics (name, partitions) values ('user', 1), ('unknown', 1)`.execute(database.db);
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{user}', 'none', 'beginning'), ('sms', '{user}', 'none', 'beginning'),
      ('pager', '{user}', 'none', 'beginning'), ('fax', '{user,unknown}', 'none', 'beginning')`.execute(
    database.db,
  );
  const client = redis.client();
  // The topic keeps its events in the stream for seven days.
  const [due, fresh] = [`${Date.now() - 9 * dayMs}-1`, `${Date.now() - dayMs}-1`];
  for (const stream of ['events:user', 'events:unknown']) {
    for (const id of [due, fresh]) await client.xadd(stream, id, 'event_id', randomUUID());
  }
  await client.xgroup('CREATE', 'events:user', 'mail', '0');
  await client.xgroup('CREATE', 'events:user', 'sms', '0');
  await client.xreadgroup('GROUP', 'sms', 'a', 'STREAMS', 'events:user', '>');
  await client.xack('events:user', 'sms', due);
  await client.xgroup('CREATE', 'events:user', 'pager', '0');
  await client.xreadgroup('GROUP', 'pager', 'a', 'COUNT', 1, 'STREAMS', 'events:user', '>');
  await client.xgroup('CREATE', 'events:user', 'nobody', '0');

  const before = await eventually(async () => {
    const all = await metrics();
    return (all.get('bus_archive_overdue_seconds events:user') ?? 0) > 0 && all;
  });
  await sql`insert into stream_retention (stream, archived_to) values ('events:user', ${due})`.execute(
    database.db,
  );
  const after = await eventually(async () => {
    const all = await metrics();
    return all.get('bus_archive_overdue_seconds events:user') === 0 && all;
  });

  const twoDays = (name: string) => Math.abs((before.get(name) ?? 0) - 2 * 86_400);
  expect(twoDays('bus_archive_overdue_seconds events:user')).toBeLessThan(120);
  expect(twoDays('bus_retention_blocked_seconds events:user mail')).toBeLessThan(120);
  expect(after.get('bus_retention_blocked_seconds events:user sms')).toBe(0);
  expect(twoDays('bus_retention_blocked_seconds events:user pager')).toBeLessThan(120);
  // It has not read anything: the server does not even know it.
  expect(twoDays('bus_retention_blocked_seconds events:user fax')).toBeLessThan(120);
  // Whose window is not known, and for whom no trim waits.
  expect(before.has('bus_archive_overdue_seconds events:unknown')).toBe(false);
  expect(before.has('bus_retention_blocked_seconds events:unknown fax')).toBe(false);
  expect(before.has('bus_retention_blocked_seconds events:user nobody')).toBe(false);
});

test('a server that is down hides nothing but what only it can tell', async () => {
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'u', 'user.created', 't', 'a', '{}')`.execute(database.db);
  const before = await eventually(async () => {
    const all = await metrics();
    return all.get('bus_monitor_reachable redis') === 1 && all;
  });
  await redis.stop();

  const after = await eventually(async () => {
    const all = await metrics();
    return all.get('bus_monitor_reachable redis') === 0 && all;
  });

  expect(before.has('redis_memory_used_bytes')).toBe(true);
  expect(after.has('redis_memory_used_bytes')).toBe(false);
  expect(after.get('bus_monitor_reachable postgres')).toBe(1);
  expect(after.get('bus_monitor_reachable bus-postgres')).toBe(1);
  expect(after.get('bus_outbox_pending ')).toBe(1);
});

test.each(['events:order', '{events:order}:writers', '{events:order}:failures:mail'])(
  'something else under the key %s hides what is told of its stream, is named, and hides no other',
  async (key) => {
    await sql`insert into topics (name, partitions) values ('user', 1), ('order', 1)`.execute(database.db);
    await sql`insert into consumer_groups (name, topics, ordering, start_from)
      values ('mail', '{user,order}', 'none', 'beginning')`.execute(database.db);
    const client = redis.client();
    for (const stream of ['events:user', 'events:order']) {
      await client.xadd(stream, `${Date.now()}-1`, 'event_id', randomUUID());
      await client.xgroup('CREATE', stream, 'mail', '0');
    }
    await eventually(async () => (await metrics()).get('redis_stream_unreadable events:order') === 0);

    await client.del(key);
    await client.set(key, 'x');
    const found = await eventually(async () => {
      const all = await metrics();
      return all.get('redis_stream_unreadable events:order') === 1 && all;
    });
    await monitor?.waitFor(
      /"level":"error".*stream events:order: it cannot be read: \S*events:order\S* is a string and should be a \w+; rename/,
    );
    await client.del(key);

    expect(monitor?.output()).toContain(`${key} is a string`);
    expect(found.has('redis_stream_length events:order')).toBe(false);
    expect(found.get('redis_stream_unreadable events:user')).toBe(0);
    expect(found.get('redis_stream_length events:user')).toBe(1);
    expect(found.get('redis_consumer_missing events:user mail')).toBe(0);
    expect(found.get('redis_consumer_lag events:user mail')).toBe(1);
    expect(found.get('bus_archive_overdue_seconds events:user')).toBe(0);
    expect(found.get('bus_retention_blocked_seconds events:user mail')).toBe(0);
    await eventually(async () => (await metrics()).get('redis_stream_unreadable events:order') === 0);
  },
);

test('of a group on a stream that cannot be read nothing is told, and not that it is missing', async () => {
  await sql`insert into topics (name, partitions) values ('order', 1)`.execute(database.db);
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{order}', 'none', 'beginning')`.execute(database.db);
  await redis.client().set('events:order', 'x');

  const found = await eventually(async () => {
    const all = await metrics();
    return all.get('redis_stream_unreadable events:order') === 1 && all;
  });

  expect([...found.keys()].filter((name) => name.endsWith(' events:order mail'))).toEqual([]);
  expect(found.get('bus_group_runners mail')).toBe(0);
});

test('a Redis that says how it is and not how its streams are does not pass for reachable', async () => {
  await sql`insert into topics (name, partitions) values ('user', 1)`.execute(database.db);
  await redis.client().xgroup('CREATE', 'events:user', 'mail', '0', 'MKSTREAM');
  await eventually(async () => (await metrics()).get('bus_monitor_reachable redis') === 1);

  await redis.client().call('ACL', 'SETUSER', 'default', '-xinfo');
  const found = await eventually(async () => {
    const all = await metrics();
    return all.get('bus_monitor_reachable redis') === 0 && all;
  });

  expect(found.has('redis_memory_used_bytes')).toBe(true);
  expect(found.has('redis_stream_length events:user')).toBe(false);
  expect(found.get('bus_monitor_reachable postgres')).toBe(1);
});
