import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { userRenamed } from '../packages/contracts/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../packages/database/src/testing.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import {
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..');
const outbox = createOutbox();
const groups = { unordered: 'none', ordered: 'aggregate' } as const;

let database: TestDatabase;
let redis: RedisServer;
const workers: ServiceProcess[] = [];

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  await database.pool.query(`
    create table mood (is_down boolean not null default false, is_cured boolean not null default false);
    insert into mood default values;
    create table effects (number bigint generated always as identity, consumer_group text not null,
      event_id uuid not null, aggregate_id text not null)`);
  redis = await startRedis();
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await redis.stop();
  await database.close();
});

async function start(service: string, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const worker = await spawnService({
    entry: join(root, 'services', service, 'src', 'main.ts'),
    cwd: root,
    env: {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      OUTBOX_SOURCE: 'test',
      PUBLISH_SWEEP: '500ms',
      SWEEP_EVERY: '100ms',
      CLAIM_IDLE: '2s',
      RECLAIM_EVERY: '200ms',
      LEASE_TTL: '2s',
      ...env,
    },
  });
  workers.push(worker);
  await worker.waitFor(/"msg":"started"/);
  return worker;
}

const startRunner = (group: keyof typeof groups) =>
  start('consumer-runner', {
    CONSUMERS: join(root, 'tests', 'dead-letters'),
    MOODY_GROUP: group,
    MOODY_ORDERING: groups[group],
  });

async function startAll(): Promise<{
  readonly runners: ServiceProcess[];
  readonly movers: ServiceProcess[];
}> {
  await start('outbox-publisher');
  const movers = await Promise.all([start('dlq-mover'), start('dlq-mover')]);
  const runners = await Promise.all([
    startRunner('unordered'),
    startRunner('ordered'),
    startRunner('ordered'),
  ]);
  return { runners, movers };
}

/** Appends events of a few users, every so many of which are called `poison`. */
async function append(count: number, poisonEvery: number): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    await database.db.transaction().execute(async (trx) => {
      const events = Array.from({ length: Math.min(50, count - from) }, (_, n) =>
        userRenamed({
          aggregateId: `user-${(from + n) % 37}`,
          tenantId: 'acme',
          actorId: 'ann',
          payload: { name: (from + n) % poisonEvery === poisonEvery - 1 ? 'poison' : 'Ann' },
        }),
      );
      await outbox.append(trx, ...events);
    });
  }
}

interface Account {
  readonly appended: number;
  readonly handled: number;
  readonly twice: number;
  readonly dead: number;
  readonly redriving: number;
  /** Neither handled nor a letter that is open: waiting somewhere. */
  readonly waiting: number;
  /** Has an effect, and a letter that says it has none. */
  readonly both: number;
  /** The inbox and the letter say different things. */
  readonly contradictions: number;
}

/** What became of each event in a group, told from the effects, the letters and the inbox. */
async function account(group: keyof typeof groups): Promise<Account> {
  const { rows } = await database.pool.query<Account>(
    `with effect as (
       select event_id, count(*) as n from effects where consumer_group = $1 group by event_id
     ), all_of_it as (
       select o.event_id, coalesce(e.n, 0) as effects, d.state, i.outcome
       from outbox_events o
       left join effect e using (event_id)
       left join dead_letters d on d.event_id = o.event_id and d.consumer_group = $1
       left join inbox_events i on i.event_id = o.event_id and i.consumer_group = $1
     )
     select count(*)::int as appended,
       (count(*) filter (where effects > 0))::int as handled,
       (count(*) filter (where effects > 1))::int as twice,
       (count(*) filter (where state = 'dead'))::int as dead,
       (count(*) filter (where state = 'redriving'))::int as redriving,
       (count(*) filter (where effects = 0 and state is distinct from 'dead'))::int as waiting,
       (count(*) filter (where effects > 0 and state in ('dead', 'redriving')))::int as both,
       (count(*) filter (where state is not null and outcome <> case state when 'redriving' then 'dead' else state end))::int
         as contradictions
     from all_of_it`,
    [group],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('there is no account');
  return row;
}

/** Waits until nothing waits any more in either group, and returns how both stand. */
async function untilSettled(): Promise<Record<keyof typeof groups, Account>> {
  return eventually(
    async () => {
      const [unordered, ordered] = await Promise.all([account('unordered'), account('ordered')]);
      return unordered.waiting + ordered.waiting === 0 && { unordered, ordered };
    },
    { timeoutMs: 50_000, message: 'nothing to wait any more' },
  );
}

/** Runs `bus dlq` to its end. */
async function dlq(...args: string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const command = await spawnService({
    entry: join(root, 'packages', 'cli', 'src', 'main.ts'),
    args: ['dlq', ...args],
    env: { DATABASE_URL: database.url, REDIS_URL: redis.url },
    name: 'bus',
  });
  const { code } = await command.exited;
  return { code, output: command.output() };
}

test('what fails for good is dead, what does not is handled, and a redrive after the cure handles the rest, each once', async () => {
  await startAll();
  await append(400, 20);

  const sick = await untilSettled();
  await database.pool.query('update mood set is_cured = true');
  await dlq('redrive', '--all');
  const cured = await untilSettled();

  for (const group of ['unordered', 'ordered'] as const) {
    expect(sick[group]).toEqual({
      appended: 400,
      handled: 380,
      twice: 0,
      dead: 20,
      redriving: 0,
      waiting: 0,
      both: 0,
      contradictions: 0,
    });
    expect(cured[group]).toMatchObject({ handled: 400, twice: 0, dead: 0, redriving: 0, contradictions: 0 });
  }
  const { rows } = await database.pool.query<{ redrives: number; state: string }>(
    'select distinct redrives, state from dead_letters',
  );
  expect(rows).toEqual([{ redrives: 1, state: 'done' }]);
});

test('the account stays exact while Redis is wiped and restarted, and movers and runners are killed, under a redrive', async () => {
  const { runners, movers } = await startAll();
  await append(300, 10);
  await eventually(async () => (await account('unordered')).dead > 5);

  await redis.client().flushall();
  movers[0]?.kill('SIGKILL');
  await append(300, 10);
  const sick = await untilSettled();
  await database.pool.query('update mood set is_cured = true');
  await dlq('redrive', '--all');
  await eventually(async () => (await account('ordered')).redriving < 60);
  runners[0]?.kill('SIGKILL');
  await redis.client().flushall();
  await startRunner('unordered');
  await append(100, 10);
  runners[1]?.kill('SIGKILL');
  await redis.restart();
  movers[1]?.kill('SIGKILL');
  await start('dlq-mover');

  const cured = await untilSettled();

  for (const group of ['unordered', 'ordered'] as const) {
    expect(sick[group]).toMatchObject({
      appended: 600,
      handled: 540,
      twice: 0,
      dead: 60,
      both: 0,
      contradictions: 0,
    });
    expect(cured[group]).toMatchObject({
      appended: 700,
      handled: 700,
      twice: 0,
      dead: 0,
      both: 0,
      contradictions: 0,
    });
  }
}, 120_000);

test('while what all handlers need is down nothing is dead-lettered, and everything is handled afterwards', async () => {
  await database.pool.query('update mood set is_down = true');
  const { runners } = await startAll();
  await append(300, 1_000);
  for (const runner of runners.slice(0, 1)) await runner.waitFor(/handlers fail on many aggregates/);
  // Far more tries than there are attempts.
  await eventually(
    async () => (runners[0]?.output().match(/trying whether handlers succeed again/g)?.length ?? 0) >= 2,
  );

  const down = await account('unordered');
  await database.pool.query('update mood set is_down = false');
  const up = await untilSettled();

  expect(down).toMatchObject({ handled: 0, dead: 0, waiting: 300 });
  for (const group of ['unordered', 'ordered'] as const) {
    expect(up[group]).toMatchObject({ handled: 300, twice: 0, dead: 0, both: 0 });
  }
});

test('letters are listed by cause, shown whole, redriven one by one and discarded for a reason that stays on record', async () => {
  await start('outbox-publisher');
  await start('dlq-mover');
  await startRunner('unordered');
  await append(60, 20);
  await eventually(async () => {
    const { rows } = await database.pool.query(
      "select from dead_letters where state = 'dead' and dlq_id is not null",
    );
    return rows.length === 3;
  });
  const [cause] = JSON.parse((await dlq('groups', '--json')).output) as [{ fingerprint: string }];
  const letters = await dlq('list', '--group', 'unordered', '--json');
  const [first, ...others] = JSON.parse(letters.output) as [{ eventId: string }, ...unknown[]];
  const shown = await dlq('show', first.eventId);

  expect(cause).toMatchObject({
    group: 'unordered',
    letters: 3,
    error: expect.stringContaining('no such name') as unknown,
  });
  expect(others).toHaveLength(2);
  expect(JSON.parse(shown.output)).toMatchObject([{ eventId: first.eventId, attempts: 3, state: 'dead' }]);
  expect(await dlq('list', '--group', 'unordred')).toMatchObject({
    code: 1,
    output: expect.stringContaining('unordered') as unknown,
  });
  expect(await dlq('redrive')).toMatchObject({
    code: 64,
    output: expect.stringContaining('--all') as unknown,
  });
  expect(await dlq('discard', '--all')).toMatchObject({
    code: 64,
    output: expect.stringContaining('--reason') as unknown,
  });
  expect((await dlq('redrive', '--all', '--dry-run')).output).toContain('3 dead letters would be redriven');

  await database.pool.query('update mood set is_cured = true');
  expect((await dlq('redrive', first.eventId, '--operator', 'ann')).output).toContain('1 dead letter handed');
  await eventually(async () => (await account('unordered')).handled === 58);
  const discarded = await dlq(
    'discard',
    '--fingerprint',
    cause.fingerprint,
    '--reason',
    'test tenant',
    '--operator',
    'bob',
  );

  expect(discarded.output).toContain('2 dead letters discarded');
  expect((await dlq('redrive', '--all')).output).toContain('No dead letter fits');
  expect(
    await redis
      .client()
      .xlen('events:user:dlq:unordered')
      .catch(() => -1),
  ).toBe(0);
  const { rows: settled } = await database.pool.query(
    "select outcome, reason, count(*)::int as events from inbox_events where outcome <> 'done' group by 1, 2",
  );
  expect(settled).toEqual([{ outcome: 'discarded', reason: 'test tenant', events: 2 }]);
  const { rows: actions } = await database.pool.query(
    'select operator, action, events from operator_actions where events > 0 order by id',
  );
  expect(actions).toEqual([
    { operator: 'ann', action: 'redrive', events: 1 },
    { operator: 'bob', action: 'discard', events: 2 },
  ]);
});
