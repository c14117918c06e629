import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, createPool, examineDatabase, migrate } from '../packages/database/src/index.ts';
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

  const sqlIn = (page: string) =>
    /```sql\n(.*?)```/s.exec(readFileSync(join(infra, '../docs/runbooks', page), 'utf8'))?.[1] ?? '';
  /** Partitions of a week, made by a role. Their names. */
  const makePartitions = async (role: string, log: 'outbox' | 'inbox') => {
    const before = await run(as(role), `select partition from bus_partitions('${log}_events')`);
    await run(as(role), `select bus_ensure_partitions('${log}_events', ${before.length + 1})`);
    const after = await run(as(role), `select partition from bus_partitions('${log}_events')`);
    return after.slice(before.length).map((row) => (row as { partition: string }).partition);
  };
  const drop = async (role: string, log: 'outbox' | 'inbox', partition: string) => {
    const empty =
      log === 'outbox'
        ? `select reason from outbox_empty_partition('${partition}', '{}', '{}', '{}')`
        : `select reason from inbox_empty_partition('${partition}', now())`;
    const dropped = `select bus_drop_empty_partition('${log}_events', '${partition}') as reason`;
    return [...(await run(as(role), empty)), ...(await run(as(role), dropped))];
  };
  const gone = [{ reason: null }, { reason: null }];

  test('has the owner drop what a second role made that the runbook makes to rotate credentials', async () => {
    await run(url, sqlIn('rotate-credentials.md'));

    for (const log of ['outbox', 'inbox'] as const) {
      const [first = '', second = ''] = await makePartitions('event_bus_2', log);
      expect(await drop('event_bus', log, first)).toEqual(gone);
      expect(await drop('event_bus_2', log, second)).toEqual(gone);
    }
    expect(await run(as('event_bus_2'), 'select current_user as name')).toEqual([{ name: 'event_bus' }]);
  });

  test('has the owner drop what a mere member made, once the runbook has given it back', async () => {
    await run(url, 'create role stray login in role event_bus');
    const [partition = ''] = await makePartitions('stray', 'outbox');
    await expect(drop('event_bus', 'outbox', partition)).rejects.toThrow(/permission denied/);
    const pool = createPool({ url: as('event_bus'), applicationName: 'test' });
    const db = createDatabase(pool);
    expect((await examineDatabase(db)).foreignTables).toContain(partition);

    await run(url, sqlIn('bus-prune-blocked.md').replace('event_bus_2', 'stray'));

    expect((await examineDatabase(db)).foreignTables).toEqual([]);
    await db.destroy();
    expect(await drop('event_bus', 'outbox', partition)).toEqual(gone);
  });

  test('lets the owner do what the services do at start', async () => {
    await run(as('event_bus'), 'select system_identifier from pg_control_system()');

    expect(await run(as('event_bus'), `select bus_ensure_partitions('inbox_events', 5) as made`)).toEqual([
      { made: 2 },
    ]);
  });
});
