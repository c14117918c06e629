import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import {
  createTemporaryFolder,
  eventually,
  type ServiceProcess,
  type TemporaryFolder,
} from '../packages/testkit/src/index.ts';
import { type Account, createStage, type Group, type Stage } from './dead-letters/stage.ts';

let stage: Stage;
let folder: TemporaryFolder;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
  folder = createTemporaryFolder('dead-letters');
});

afterEach(async () => {
  await stage.close();
  await folder.remove();
});

async function startAll(): Promise<{
  readonly runners: ServiceProcess[];
  readonly movers: ServiceProcess[];
}> {
  await stage.start('outbox-publisher');
  const movers = await Promise.all([stage.start('dlq-mover'), stage.start('dlq-mover')]);
  const runners = await Promise.all([
    stage.startRunner('unordered'),
    stage.startRunner('ordered'),
    stage.startRunner('ordered'),
  ]);
  return { runners, movers };
}

/**
 * Waits until nothing waits any more in either group, and returns how both stand. Meanwhile somebody is handled now and
 * then: were all that is left to fail, a group would take it for an outage, and wait for the end of that.
 */
async function untilSettled(): Promise<Record<Group, Account>> {
  return eventually(
    async () => {
      await stage.append(1, 2);
      const [unordered, ordered] = await Promise.all([stage.account('unordered'), stage.account('ordered')]);
      return unordered.waiting + ordered.waiting === 0 && { unordered, ordered };
    },
    { timeoutMs: 100_000, intervalMs: 200, message: 'nothing to wait any more' },
  );
}

/** Every event is handled once, but for so many that are dead, and nothing else. */
function expectExact(account: Account, dead: number): void {
  const { appended } = account;
  const handled = appended - dead;
  const clean = { twice: 0, redriving: 0, waiting: 0, both: 0, contradictions: 0 };
  expect(account).toEqual({ ...clean, appended, handled, dead });
}

const dlq = (...args: string[]) => stage.bus('dlq', ...args);

test('what fails for good is dead, what does not is handled, and a redrive after the cure handles the rest, each once', async () => {
  await startAll();
  await stage.append(400, 20);

  const sick = await untilSettled();
  await stage.database.pool.query('update mood set is_cured = true');
  const redrive = await dlq('redrive', '--all');
  const cured = await untilSettled();

  expect(redrive).toMatchObject({
    code: 0,
    output: expect.stringContaining('40 dead letters redriven: 40 handled') as unknown,
  });
  for (const group of ['unordered', 'ordered'] as const) {
    expectExact(sick[group], 20);
    expectExact(cured[group], 0);
  }
  const { rows } = await stage.database.pool.query<{ redrives: number; state: string }>(
    'select distinct redrives, state from dead_letters',
  );
  expect(rows).toEqual([{ redrives: 1, state: 'done' }]);
}, 240_000);

test('the account stays exact while Redis is wiped and restarted, and movers and runners are killed, under a redrive', async () => {
  const { runners, movers } = await startAll();
  await stage.append(300, 10);
  await eventually(async () => (await stage.account('unordered')).dead > 5);

  await stage.redis.client().flushall();
  movers[0]?.kill('SIGKILL');
  await stage.append(300, 10);
  const sick = await untilSettled();
  await stage.database.pool.query('update mood set is_cured = true');
  await dlq('redrive', '--all', '--no-wait');
  await eventually(async () => (await stage.account('ordered')).redriving < 60);
  runners[0]?.kill('SIGKILL');
  await stage.redis.client().flushall();
  await stage.startRunner('unordered');
  await stage.append(100, 10);
  runners[1]?.kill('SIGKILL');
  await stage.redis.restart();
  movers[1]?.kill('SIGKILL');
  await stage.start('dlq-mover');

  const cured = await untilSettled();

  for (const group of ['unordered', 'ordered'] as const) {
    expectExact(sick[group], 60);
    expectExact(cured[group], 0);
  }
}, 240_000);

test('letters are listed by cause, shown whole, redriven one by one and discarded for a reason that stays on record', async () => {
  await stage.start('outbox-publisher');
  await stage.start('dlq-mover');
  await stage.startRunner('unordered');
  await stage.append(60, 20);
  await eventually(async () => {
    const { rows } = await stage.database.pool.query(
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
  expect((await dlq('redrive', '--all', '--dry-run')).output).toContain(
    '3 dead letters of 3 aggregates would be redriven',
  );

  await stage.database.pool.query('update mood set is_cured = true');
  expect((await dlq('redrive', first.eventId, '--operator', 'ann')).output).toContain('1 handled');
  const discarded = await dlq(
    'discard',
    '--fingerprint',
    cause.fingerprint,
    '--reason',
    'test tenant',
    '--operator',
    'bob',
    '--to',
    join(folder.path, 'discarded.ndjson'),
    '--yes',
  );

  expect(discarded.output).toContain('2 dead letters discarded');
  expect((await dlq('redrive', '--all')).output).toContain('No dead letter fits');
  expect(
    await stage.redis
      .client()
      .xlen('{events:user}:dlq:unordered')
      .catch(() => -1),
  ).toBe(0);
  const { rows: settled } = await stage.database.pool.query(
    "select outcome, reason, count(*)::int as events from inbox_events where outcome <> 'done' group by 1, 2",
  );
  expect(settled).toEqual([{ outcome: 'discarded', reason: 'test tenant', events: 2 }]);
  const { rows: actions } = await stage.database.pool.query(
    'select operator, action, events from operator_actions where events > 0 order by id',
  );
  expect(actions).toEqual([
    { operator: 'ann', action: 'redrive', events: 1 },
    { operator: 'bob', action: 'discard', events: 2 },
  ]);
});

test('a runner that is frozen in its handler until movers have given its event up changes nothing when it is thawed', async () => {
  await stage.start('outbox-publisher');
  await Promise.all([stage.start('dlq-mover'), stage.start('dlq-mover')]);
  const runner = await stage.startRunner('unordered', { MOODY_TIMEOUT: 'short' });
  await stage.append(1, 1, 'freeze');
  await runner.waitFor(/the handler is frozen/);
  const client = stage.redis.client();
  const [[id, holder]] = (await client.xpending('events:user', 'unordered', '-', '+', 1)) as [
    [string, string],
  ];
  // As if two other processes had died of it before.
  const aged = ['IDLE', 60_000, 'RETRYCOUNT', 3, 'JUSTID'] as const;
  await client.xclaim('events:user', 'unordered', holder, 0, id, ...aged);
  // PostgreSQL ends what it holds some seconds after its time is over.
  await eventually(async () => (await stage.account('unordered')).dead === 1);

  runner.kill('SIGCONT');
  await stage.append(20, 1_000);
  await eventually(async () => (await stage.account('unordered')).handled === 20);

  expect(await stage.account('unordered')).toEqual({
    appended: 21,
    handled: 20,
    twice: 0,
    dead: 1,
    redriving: 0,
    waiting: 0,
    both: 0,
    contradictions: 0,
  });
});
