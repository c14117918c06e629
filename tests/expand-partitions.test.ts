import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { consumersFor } from '../packages/consumer/src/index.ts';
import {
  createDispatcher,
  createGroupRunner,
  createSolitude,
} from '../packages/consumer/src/runner/index.ts';
import { createCatalog, defineEvent, defineTopic, userRenamed } from '../packages/contracts/src/index.ts';
import { createPool } from '../packages/database/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../packages/database/src/testing.ts';
import { createLogger } from '../packages/telemetry/src/index.ts';
import { eventually, type RedisServer, spawnService, startRedis } from '../packages/testkit/src/index.ts';
import { createRedisTransport } from '../packages/transport/src/redis/index.ts';
import { ageOutbox } from './whole-life/age.ts';

const root = join(import.meta.dirname, '..');
const runbook = readFileSync(join(root, 'docs', 'runbooks', 'expand-partitions.md'), 'utf8');
const { defineConsumer, on } = consumersFor<{ readonly effects: { readonly event_id: string } }>();

let database: TestDatabase;
let redis: RedisServer;
let running: (() => Promise<unknown>)[];

beforeEach(async () => {
  running = [];
  database = await createTestDatabase(inject('postgresUrl'));
  await database.pool.query('create table effects (event_id uuid not null)');
  redis = await startRedis();
});

afterEach(async () => {
  await stop();
  await redis.stop();
  await database.close();
});

const env = () => ({ DATABASE_URL: database.url, REDIS_URL: redis.url });

/** Starts a publisher, and a runner of a group that reads `account` with so many partitions. */
async function deploy(partitions: number): Promise<void> {
  const entry = join(root, 'services', 'outbox-publisher', 'src', 'main.ts');
  const quick = { OUTBOX_SOURCE: 'bank', OUTBOX_KEEP: '1s', OUTBOX_PRUNE_EVERY: '200ms' };
  const publisher = await spawnService({ entry, cwd: root, env: { ...env(), ...quick } });
  running.push(() => publisher.stop());
  await publisher.waitFor(/"msg":"started"/);

  const account = defineTopic('account', { partitions });
  const renamed = defineEvent(account, 'account.renamed', { version: 1, payload: userRenamed.payload });
  const consumer = defineConsumer({
    group: 'ledger',
    handlers: [
      on(renamed, async ({ id }, { trx }) => {
        await trx.insertInto('effects').values({ event_id: id }).execute();
      }),
    ],
  });
  const logger = createLogger({ service: 'test', level: 'silent' });
  const pool = createPool({ url: database.url, applicationName: 'ledger', max: 4, pipeline: true });
  const transport = createRedisTransport({ url: redis.url });
  const drain = new AbortController();
  const ended = createGroupRunner({
    group: consumer,
    dispatcher: createDispatcher({ consumer, catalog: createCatalog([renamed]), pool, logger }),
    transport,
    registry: database.db,
    inbox: database.db,
    solitude: createSolitude(),
    logger,
  }).run({ drain: drain.signal, abort: new AbortController().signal });
  running.push(async () => {
    drain.abort();
    await ended;
    await transport.close();
    await pool.end();
  });
}

async function stop(): Promise<void> {
  await Promise.all(running.splice(0).map((end) => end()));
}

const append = (count: number) =>
  database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     select 'account', 'a-' || n, 'account.renamed', 'acme', 'ann', '{"name":"Ann"}' from generate_series(1, $1::int) n`,
    [count],
  );

const rows = async (query: string) => (await database.pool.query<Record<string, unknown>>(query)).rows;

const handled = (count: number) =>
  eventually(async () => (await rows('select from effects')).length === count, { message: 'the effects' });

async function bus(...args: readonly string[]): Promise<unknown> {
  const entry = join(root, 'packages', 'cli', 'src', 'main.ts');
  const command = await spawnService({ entry, args: [...args, '--json'], env: env(), name: 'bus' });
  await command.exited;
  return JSON.parse(command.output());
}

test('by the runbook a topic gets more partitions: nothing is lost, and what it had before is forgotten in its time', async () => {
  await deploy(1);
  await append(20);
  await handled(20);

  // Step 1.
  await eventually(async () => {
    expect(await bus('outbox', 'status')).toMatchObject({ pending: { count: 0 }, parked: { count: 0 } });
    expect(await bus('groups')).toMatchObject([{ state: 'present', lag: 0, pending: 0 }]);
    return true;
  });
  expect(await bus('dlq', 'groups')).toEqual([]);
  expect(await bus('replay', 'list')).toEqual([]);
  // Steps 2 to 4.
  await stop();
  const [, update = ''] = /`(update topics [^`]+)`/.exec(runbook) ?? [];
  await database.pool.query(update.replace('<n>', '2').replace('<topic>', 'account'));
  await deploy(2);
  await append(20);

  await handled(40);
  expect(await rows('select stream from outbox_batches group by 1 order by 1')).toEqual([
    { stream: 'events:account' },
    { stream: 'events:account:0' },
    { stream: 'events:account:1' },
  ]);
  await ageOutbox(database.pool, 20);
  await eventually(async () => (await rows('select from outbox_events')).length === 20, {
    message: 'the outbox to forget what was published before',
  });
  // Inboxes go by it.
  expect(await rows('select position::int from outbox_floor()')).toEqual([{ position: 20 }]);
});
