import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, createPool, migrate } from '../packages/database/src/index.ts';
import {
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '../packages/testkit/src/index.ts';

const infra = join(import.meta.dirname, '..', 'infra');

function directives(file: string): [string, string][] {
  const lines = readFileSync(join(infra, file), 'utf8').matchAll(/^([a-z][\w-]*) *=? *(.+)$/gm);
  return [...lines].map(([, name = '', value = '']) => [name, value]);
}

describe('Redis', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedis({ config: Object.fromEntries(directives('redis/redis.conf')) });
  });

  afterAll(() => redis.stop());

  test('takes the settings, and evicts nothing', async () => {
    const settings = directives('redis/redis.conf');
    expect(settings.length).toBeGreaterThan(5);

    const client = redis.client();
    const policy = await client.config('GET', 'maxmemory-policy');
    const nodes = await client.config('GET', 'stream-node-max-bytes');

    expect(policy).toEqual(['maxmemory-policy', 'noeviction']);
    expect(nodes).toEqual(['stream-node-max-bytes', '16384']);
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
