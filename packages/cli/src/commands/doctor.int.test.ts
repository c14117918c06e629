import { join } from 'node:path';
import { openArchiveStore } from '@event-bus/archive';
import { platformCatalog } from '@event-bus/contracts';
import {
  createDatabase,
  createPool,
  registerGroup,
  registerInboxWindows,
  registerOutboxWindow,
  registerTopics,
} from '@event-bus/database';
import { createPolicies, examine, type Finding } from '@event-bus/operations';
import { outboxLocks } from '@event-bus/outbox/log';
import { createTemporaryFolder } from '@event-bus/testkit';
import { examineServer, type RedisUser } from '@event-bus/transport/redis';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { describeFailure } from '../failure.ts';
import { createWorkbench, runBus, type Workbench } from '../testing.ts';

const dayMs = 86_400_000;
const stream = 'events:user';
const folder = createTemporaryFolder('doctor');

let bench: Workbench;
/** Holds the lead as a publisher does, with one connection. */
let leader: { query(text: string, values: unknown[]): Promise<unknown>; release(ends: boolean): void };

const query = (text: string, values: unknown[] = []) => bench.database.pool.query(text, values);
const redis = async (...command: readonly [string, ...string[]]): Promise<unknown> => {
  const client = bench.redis.client();
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
};

/** What a doctor says who is called with other servers, or none. */
async function findings(
  other: {
    readonly url?: string;
    readonly redisUrl?: string;
    readonly user?: RedisUser;
    readonly archive?: string;
  } = {},
): Promise<Finding[]> {
  const { url = bench.database.url, redisUrl = bench.redis.url, user = 'operator', archive } = other;
  const pool = createPool({ url, applicationName: 'doctor', max: 2 });
  const db = createDatabase(pool);
  const store =
    archive === undefined
      ? undefined
      : await openArchiveStore({ ARCHIVE_URL: { kind: 'file', path: join(folder.path, archive) } });
  try {
    return await examine({
      outbox: { pool, db },
      inbox: db,
      bus: db,
      databases: new Map([[db, 'DATABASE_URL']]),
      transport: bench.transport,
      examineRedis: () => examineServer(redisUrl, user),
      redisUser: user,
      store,
      policyOf: createPolicies(platformCatalog.topics),
      describe: describeFailure,
    });
  } finally {
    await store?.close();
    await db.destroy();
  }
}

/** Of the findings those that are not fine, but for what a server of tests is set to on purpose. */
async function faults(other: Parameters<typeof findings>[0] = {}): Promise<string[]> {
  return (await findings(other))
    .filter(({ state, found }) => state !== 'ok' && !/^(fsync|idle_in_transaction)/.test(found))
    .map(({ state, check, found }) => `${state} ${check}: ${found}`);
}

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  const { db, pool } = bench.database;
  await redis('CONFIG', 'SET', 'appendonly', 'yes');
  await redis('CONFIG', 'SET', 'maxmemory', '1gb');
  await redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await registerTopics(db, [{ name: 'user', partitions: 1 }]);
  await registerGroup(db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  await redis('XGROUP', 'CREATE', stream, 'mail', '0', 'MKSTREAM');
  await query(`insert into group_runners (consumer_group, runner, events, seen_at)
    values ('mail', 'a', '{}', now() + interval '1 hour')`);
  await query(`insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
    values ('mail', 'continue', 5, 30000)`);
  await query(`update outbox_cursor set source = 'billing', leader = 'publisher-1', epoch = 1`);
  leader = await pool.connect();
  await leader.query('select pg_advisory_lock($1, $2)', [outboxLocks.space, outboxLocks.leader]);
});

afterAll(async () => {
  leader.release(true);
  await bench.close();
  await folder.remove();
});

test('a deployment without a fault gets a line for each check, and exit status 0', async () => {
  const { status, output } = await bench.bus('doctor');

  expect(await faults({ archive: '.' })).toEqual([]);
  expect(output).toMatch(/^ok {7}Redis: (Redis|Valkey) .*, noeviction, 0 % of its memory used/m);
  expect(output).toMatch(/^ok {7}outbox: publisher-1 leads billing, 0 events pending$/m);
  expect(output).toMatch(/^ok {7}group mail: 1 runner$/m);
  expect(output).toMatch(/^ok {7}streams: 1, with all that was written to them$/m);
  expect(output).toMatch(/^warning {2}PostgreSQL: fsync is off.*; set fsync = on/m);
  expect(status).toBe(0);
});

test('servers that cannot be reached are problems, what can only be told from them is not looked at, and the status is 1', async () => {
  const { status, output } = await runBus(['doctor', '--json'], {
    DATABASE_URL: bench.database.url,
    INBOX_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/inbox',
    REDIS_URL: 'redis://127.0.0.1:1',
    ARCHIVE_URL: `file://${join(folder.path, 'nowhere')}`,
  });
  const found = JSON.parse(output) as Finding[];

  expect(status).toBe(1);
  expect(found.filter(({ state }) => state === 'problem')).toMatchObject([
    { check: 'PostgreSQL (INBOX_DATABASE_URL)', found: expect.stringContaining('ECONNREFUSED') as string },
    { check: 'Redis', found: expect.stringContaining('ECONNREFUSED') as string },
    { check: 'archive', found: expect.stringContaining('nowhere') as string },
  ]);
  expect(found.filter(({ state }) => state === 'ok').map(({ check }) => check)).toEqual([
    'outbox',
    'replays',
  ]);
});

interface Fault {
  readonly of: string;
  readonly make: () => Promise<unknown>;
  readonly mend: () => Promise<unknown>;
  readonly found: readonly string[];
}

const notLed = () =>
  leader.query('select pg_advisory_unlock($1, $2)', [outboxLocks.space, outboxLocks.leader]);
const led = () => leader.query('select pg_advisory_lock($1, $2)', [outboxLocks.space, outboxLocks.leader]);

const all: readonly Fault[] = [
  {
    of: 'a Redis that evicts',
    make: () => redis('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'),
    mend: () => redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction'),
    found: ['problem Redis: maxmemory-policy is allkeys-lru'],
  },
  {
    of: 'a Redis without an append-only file or a limit',
    make: async () => {
      await redis('CONFIG', 'SET', 'appendonly', 'no');
      await redis('CONFIG', 'SET', 'maxmemory', '0');
    },
    mend: async () => {
      await redis('CONFIG', 'SET', 'appendonly', 'yes');
      await redis('CONFIG', 'SET', 'maxmemory', '1gb');
    },
    found: ['warning Redis: it keeps no append-only file', 'warning Redis: it has no maxmemory'],
  },
  {
    of: 'a Redis that is nearly full',
    make: async () => {
      const used = /^used_memory:(\d+)/m.exec(String(await redis('INFO', 'memory')))?.[1];
      await redis('CONFIG', 'SET', 'maxmemory', String(Math.ceil(Number(used) * 1.05)));
    },
    mend: () => redis('CONFIG', 'SET', 'maxmemory', '1gb'),
    found: ['problem Redis: 9'],
  },
  {
    of: 'a Redis that is a replica',
    make: () => redis('REPLICAOF', '127.0.0.1', '1'),
    mend: () => redis('REPLICAOF', 'NO', 'ONE'),
    found: ['problem Redis: it is a replica'],
  },
  {
    of: 'a key that is no stream',
    make: async () => {
      await redis('RENAME', stream, '{events:user}:aside');
      await redis('SET', stream, 'x');
    },
    mend: () => redis('RENAME', '{events:user}:aside', stream),
    found: ['problem stream events:user: it cannot be read: events:user is a string and should be a stream'],
  },
  {
    of: 'a stream that went back in time',
    make: () =>
      query(`insert into outbox_batches (stream, number, positions, events, last_id, last_event_id)
        values ('events:user', 1, '{[1,3]}', 3, '1-1', gen_random_uuid())`),
    mend: () => query('delete from outbox_batches'),
    found: ['problem stream events:user: 3 events that were written to it are gone'],
  },
  {
    of: 'a group that Redis does not know, and one that nobody registered',
    make: async () => {
      await redis('XGROUP', 'DESTROY', stream, 'mail');
      await redis('XGROUP', 'CREATE', stream, 'stray', '0');
    },
    mend: async () => {
      await redis('XGROUP', 'DESTROY', stream, 'stray');
      await redis('XGROUP', 'CREATE', stream, 'mail', '0');
    },
    found: [
      'warning group mail: Redis does not know it on events:user',
      'warning group stray: it is on events:user, and no runner ever registered it',
    ],
  },
  {
    of: 'a group without a runner that is paused',
    make: async () => {
      await query(`update group_runners set seen_at = now() - interval '1 hour'`);
      await query(
        `update consumer_groups set paused_at = now(), paused_by = 'ann', pause_reason = 'mail server'`,
      );
    },
    mend: async () => {
      await query(`update group_runners set seen_at = now() + interval '1 hour'`);
      await query(`update consumer_groups set paused_at = null, paused_by = null, pause_reason = null`);
    },
    found: ['problem group mail: no runner of it', 'warning group mail: it was paused by ann: mail server'],
  },
  {
    of: 'an open circuit',
    make: () =>
      query(`update group_runners set circuit = 'open', circuit_since = now(), circuit_error = 'refused'`),
    mend: () =>
      query(`update group_runners set circuit = 'closed', circuit_since = null, circuit_error = null`),
    found: ['problem group mail: its circuit is open on 1 of 1 runner: refused'],
  },
  {
    of: 'what nobody makes a dead letter, archives or trims',
    make: async () => {
      const ref = { stream, group: 'mail' };
      await redis('XADD', stream, '1000-1', 'event_id', 'e');
      await redis('XREADGROUP', 'GROUP', 'mail', 'c', 'STREAMS', stream, '>');
      const reader = bench.transport.reader();
      const failure = {
        attempts: 5,
        final: true,
        isOwn: false,
        kind: 'error',
        reason: 'no',
        error: '',
        stack: '',
      } as const;
      const times = { history: [], firstDeliveredAt: 0, failedAt: 0, dueAt: 0 };
      await reader.recordFailures(ref, 'c', new Map([['1000-1', { ...failure, ...times, eventId: 'e' }]]));
      await reader.close();
      await redis('XCLAIM', stream, 'mail', 'c', '0', '1000-1', 'IDLE', '600000');
      await query(`insert into stream_retention (stream, archived_to, archived_event_id, archived_at)
        values ('events:user', '1000-1', 'e', now())`);
    },
    mend: async () => {
      await redis('DEL', stream, '{events:user}:failures:mail');
      await redis('XGROUP', 'CREATE', stream, 'mail', '0', 'MKSTREAM');
      await query('delete from stream_retention');
    },
    found: [
      'problem group mail: it has given up entries on events:user',
      'warning retention: mail keeps events:user from being trimmed',
    ],
  },
  {
    of: 'entries that nobody archives',
    make: async () => {
      await redis('XADD', stream, `${Date.now() - 9 * dayMs}-1`, 'event_id', 'e');
      await redis('XREADGROUP', 'GROUP', 'mail', 'c', 'STREAMS', stream, '>');
      await redis('XGROUP', 'SETID', stream, 'mail', '$');
      await redis('XGROUP', 'DELCONSUMER', stream, 'mail', 'c');
    },
    mend: async () => {
      await redis('DEL', stream);
      await redis('XGROUP', 'CREATE', stream, 'mail', '0', 'MKSTREAM');
    },
    found: [
      'warning retention: events:user holds entries that should be in the archive, and nothing of it ever was',
    ],
  },
  {
    of: 'an outbox that nobody leads',
    make: notLed,
    mend: led,
    found: ['problem outbox: no publisher leads billing'],
  },
  {
    of: 'an outbox with old events, parked ones and a gap',
    make: async () => {
      await query(`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, inserted_at)
        values ('user', 'u', 'user.created', 't', 'a', '{}', now() - interval '5 minutes')`);
      await query(`insert into outbox_parked (position, event_id, aggregate_type, aggregate_id, reason)
        values (99, gen_random_uuid(), 'user', 'u', 'too large')`);
      await query(`insert into outbox_gaps (first, last, xid, system_identifier, noted_at)
        values (100, 101, '3', 1, now() - interval '5 minutes')`);
    },
    mend: () => query('truncate outbox_events, outbox_parked, outbox_gaps'),
    found: [
      'problem outbox: the oldest of 1 events that are not published is 3',
      'problem outbox: 1 events of 1 aggregates are parked',
      'warning outbox: a transaction that appends has been open for 3',
    ],
  },
  {
    of: 'dead letters, and replays that failed or wait',
    make: async () => {
      await query(`insert into dead_letters select (jsonb_populate_record(null::dead_letters, jsonb_build_object(
        'consumer_group', 'mail', 'event_id', gen_random_uuid(), 'replay_id', '', 'occurred_at', now(), 'state', 'dead',
        'kind', 'error', 'reason', 'r', 'error', 'e', 'stack', '', 'fingerprint', 'f', 'attempts', 1, 'history', '[]'::jsonb,
        'deliveries', 1, 'consumer', 'c', 'first_delivered_at', now(), 'dead_at', now(), 'stream', 'events:user',
        'stream_id', '1-1', 'fields', '{}'::jsonb, 'source', 'billing', 'event_type', 't', 'aggregate_type', 'user',
        'aggregate_id', 'u', 'tenant_id', 'a', 'trace_id', '', 'redrives', 0))).*`);
      await query(`insert into replays (kind, consumer_group, topic, state, requested_by)
        values ('replay', 'mail', 'user', 'failed', 'ann'), ('replay', 'mail', 'user', 'queued', 'ann')`);
    },
    mend: () => query('truncate dead_letters, replays cascade'),
    found: [
      'warning dead letters: 1 of mail wait',
      'problem replays: 1 to mail have failed',
      'warning replays: 1 to mail have not been taken up',
    ],
  },
  {
    of: 'old partitions that cannot be dropped',
    make: async () => {
      const { db } = bench.database;
      await registerOutboxWindow(db, { source: 'billing', keepMs: 7 * dayMs });
      await registerInboxWindows(db, [{ group: 'mail', keepMs: 30 * dayMs, longestWaitMs: 14 * dayMs }]);
      for (const table of ['outbox_events', 'inbox_events'])
        await query(`create table ${table}_old partition of ${table}
          for values from ('2026-01-01T00:00:00Z') to ('2026-01-02T00:00:00Z')`);
      await bench.insert(['u']);
      await query(`do $$ begin
        perform set_config('session_replication_role', 'replica', true);
        update outbox_events set inserted_at = '2026-01-01T12:00:00Z'; end $$`);
      await query(`update outbox_cursor set position = (select max(position) from outbox_events)`);
    },
    mend: async () => {
      await query('drop table outbox_events_old');
      await query('drop table inbox_events_old');
      await query('truncate outbox_windows, inbox_windows');
    },
    found: [
      'warning pruning: outbox_events_old of the outbox cannot be dropped: event',
      'warning pruning: inbox_events_old of the inbox cannot be dropped:',
    ],
  },
  {
    of: 'a schema that is not the one this version knows',
    make: () => query(`update bus_migrations set name = 'later' where name = '0020-batches-by-position'`),
    mend: () => query(`update bus_migrations set name = '0020-batches-by-position' where name = 'later'`),
    found: ['problem PostgreSQL: the database has the migrations later'],
  },
];

test.each(all)('finds $of', async ({ make, mend, found }) => {
  await make();
  try {
    expect(await faults()).toEqual(found.map((text) => expect.stringContaining(text) as string));
  } finally {
    await mend();
  }
  expect(await faults()).toEqual([]);
});

test('finds what a role of PostgreSQL and a user of Redis may not do', async () => {
  const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await query(`create role ${role} login`);
  await query(`grant select, insert, update, delete on all tables in schema public to ${role}`);
  await query(`grant select, usage on all sequences in schema public to ${role}`);
  const url = new URL(bench.database.url);
  url.username = role;
  const owned = await faults({ url: url.href });
  await query(`revoke update on topics from ${role}`);
  const lacking = await faults({ url: url.href });
  await query(`drop owned by ${role}`);
  await query(`drop role ${role}`);
  await redis(
    'ACL',
    'SETUSER',
    'mover',
    'on',
    '>secret',
    '~events:*',
    '~{events:*',
    '+@all',
    '-xtrim',
    '-xdel',
  );
  const redisUrl = bench.redis.url.replace('redis://', 'redis://mover:secret@');

  expect(owned).toEqual([
    expect.stringMatching(/^warning PostgreSQL: the role .* does not own inbox_events and outbox_events/),
  ]);
  expect(lacking).toEqual([
    expect.stringMatching(/^problem PostgreSQL: the role .* may not read and change topics$/),
  ]);
  expect(await faults({ redisUrl, user: 'mover' })).toEqual([
    'problem Redis: the user of REDIS_URL may not send xdel to the keys of the bus, as a mover has to',
  ]);
  expect(await faults({ redisUrl, user: 'monitor' })).toEqual([]);
});
