import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, createPool, migrate } from '../packages/database/src/index.ts';
import {
  createTemporaryFolder,
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '../packages/testkit/src/index.ts';
import { ENTRY_FIELDS } from '../packages/transport/src/entry.ts';
import { createRedisTransport } from '../packages/transport/src/redis/index.ts';

const infra = join(import.meta.dirname, '..', 'infra');

function directives(file: string): [string, string][] {
  const lines = readFileSync(join(infra, file), 'utf8').matchAll(/^([a-z][\w-]*) *=? *(.+)$/gm);
  return [...lines].map(([, name = '', value = '']) => [name, value]);
}

describe('Redis', () => {
  const entry = ENTRY_FIELDS.map((field) =>
    field === 'event_id' ? '0f8fad5b-d9cb-469f-a165-70867728950e' : field === 'source' ? 'test' : '',
  );
  const stream = 'events:user';
  const ref = { stream, group: 'directory' };
  const folder = createTemporaryFolder('acl');
  let redis: RedisServer;

  beforeAll(async () => {
    const aclfile = join(folder.path, 'users.acl');
    writeFileSync(
      aclfile,
      readFileSync(join(infra, 'redis/users.acl'), 'utf8').replace('user default off\n', ''),
    );
    redis = await startRedis({ config: { ...Object.fromEntries(directives('redis/redis.conf')), aclfile } });
  });

  afterAll(async () => {
    await redis.stop();
    await folder.remove();
  });

  const as = (user: string) =>
    createRedisTransport({ url: redis.url.replace('redis://', `redis://${user}:change-me-${user}@`) });

  test('takes the settings, and evicts nothing', async () => {
    const settings = directives('redis/redis.conf');
    expect(settings.length).toBeGreaterThan(5);

    const client = redis.client();
    const policy = await client.config('GET', 'maxmemory-policy');
    const nodes = await client.config('GET', 'stream-node-max-bytes');

    expect(policy).toEqual(['maxmemory-policy', 'noeviction']);
    expect(nodes).toEqual(['stream-node-max-bytes', '16384']);
  });

  test('lets each user do what its process does', async () => {
    const [publisher, runner, operator] = ['publisher', 'runner', 'operator'].map(as) as [
      ReturnType<typeof as>,
      ReturnType<typeof as>,
      ReturnType<typeof as>,
    ];
    const [writer, reader, observer] = [publisher.writer(), runner.reader(), operator.observer()];

    await publisher.observer().ping();
    await writer.inspect(stream, 'test');
    const expectation = { eventId: null, present: true };
    const { outcome } = await writer.append(stream, {
      source: 'test',
      expect: expectation,
      entries: [entry],
    });
    const written = await writer.range(stream, '-', '+', 10);
    await reader.ensureGroup(ref, '0');
    const read = { group: ref.group, consumer: 'a', streams: [stream], count: 10, blockMs: 100 };
    const [delivery] = await reader.read(read);
    const id = delivery?.id ?? '';
    const failure = {
      eventId: '',
      attempts: 1,
      reason: 'error',
      error: '',
      failedAt: 0,
      dueAt: 0,
      final: false,
    };
    await reader.recordFailures(ref, new Map([[id, failure]]));
    await reader.failures(ref, [id]);
    await reader.keep(ref, 'a', [id]);
    await reader.release(ref, 'a', [id]);
    await reader.claim(ref, { consumer: 'a', minIdleMs: 0, count: 10 });
    const groups = await observer.groups(stream);
    const acknowledged = await reader.acknowledge(ref, [id]);
    await reader.removeConsumer(ref, 'a');
    await runner.observer().stream(stream);
    await runner.observer().newest(stream, 10);
    await observer.stream(stream);
    await observer.follow(stream, '0', 10);
    await observer.server();
    await operator.writer().inspect(stream, 'test');
    await Promise.all([publisher.close(), runner.close(), operator.close()]);

    expect(outcome).toBe('appended');
    expect(written).toHaveLength(1);
    expect(groups).toMatchObject([{ group: 'directory', pending: 1 }]);
    expect(acknowledged).toBe(1);
  });

  test.each([
    ['publisher', ['FLUSHALL']],
    ['publisher', ['DEL', stream]],
    ['runner', ['XADD', stream, '*', 'a', 'b']],
    ['runner', ['SET', 'session:1', 'x']],
    ['operator', ['CONFIG', 'GET', '*']],
    ['operator', ['XLEN', 'other']],
  ])('does not let %s run %j', async (user, [command = '', ...args]) => {
    const client = redis.client({ username: user, password: `change-me-${user}` });

    await expect(client.call(command, ...args)).rejects.toThrow(/NOPERM/);
  });
});

describe('PostgreSQL', () => {
  let postgres: PostgresServer;
  let url: string;

  beforeAll(async () => {
    postgres = await startPostgres({
      settings: Object.fromEntries(directives('postgres/postgresql.conf').map(unquoted)),
    });
    ({ url } = await postgres.createDatabase('event_bus'));
    await run(url, sqlOf('roles.sql'));
    const db = createDatabase(createPool({ url: as('event_bus'), applicationName: 'test' }));
    await migrate(db);
    await db.destroy();
    await run(as('event_bus'), sqlOf('grants.sql'));
  });

  afterAll(() => postgres.stop());

  const unquoted = ([name, value]: [string, string]): [string, string] => [name, value.replaceAll("'", '')];
  const sqlOf = (file: string) =>
    readFileSync(join(infra, 'postgres', file), 'utf8').replaceAll(/:'(\w+)'/g, "'secret of $1'");
  const as = (role: string) => url.replace('postgres@', `${role}@`);

  async function run(on: string, statement: string): Promise<unknown[]> {
    const pool = createPool({ url: on, applicationName: 'test' });
    try {
      return (await pool.query<Record<string, unknown>>(statement)).rows;
    } finally {
      await pool.end();
    }
  }

  const insert = `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'u-1', 'user.renamed', 'acme', 'alice', '{"name": "Ann"}')`;

  test('lets a producer append, in order', async () => {
    await run(as('orders'), `begin; select outbox_lock('user', 'u-1'); ${insert}; commit`);

    expect(await run(as('event_bus'), 'select aggregate_id from outbox_status')).toEqual([
      { aggregate_id: 'u-1' },
    ]);
  });

  test.each([
    ['read events', 'select * from outbox_events'],
    ['delete events', 'delete from outbox_events'],
    [
      'choose a position',
      insert.replace('(aggregate_type', '(position, aggregate_type').replace("('user'", "(1, 'user'"),
    ],
    ['read what is handled', 'select * from inbox_events'],
    ['move the cursor', 'update outbox_cursor set position = 1'],
    ['draw positions', `select nextval('outbox_position')`],
  ])('does not let a producer %s', async (_, statement) => {
    await expect(run(as('orders'), statement)).rejects.toThrow(/permission denied/);
  });

  test('lets the owner do what the services do at start', async () => {
    await run(as('event_bus'), 'select system_identifier from pg_control_system()');

    expect(await run(as('event_bus'), `select bus_ensure_partitions('inbox_events', 5) as made`)).toEqual([
      { made: 2 },
    ]);
  });
});
