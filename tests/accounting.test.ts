import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { recordTrimmed } from '../packages/database/src/index.ts';
import { type AuditReport, isProven } from '../packages/operations/src/index.ts';
import { eventually, type ServiceProcess } from '../packages/testkit/src/index.ts';
import { type AccountedBus, createAccountedBus } from './accounting/bench.ts';

let bus: AccountedBus;

beforeEach(async () => {
  bus = await createAccountedBus(inject('postgresUrl'));
});

afterEach(() => bus.close());

const many = (count: number, name = 'Ann') => Array.from({ length: count }, () => name);

/** handled + dead-lettered + waiting = appended, and nothing else. */
function expectExact(report: AuditReport, appended: number): void {
  expect(report.faults).toEqual([]);
  expect(isProven(report)).toBe(true);
  for (const group of report.groups) {
    expect(group.settled + group.deadLettered + group.waiting).toBe(group.appended);
    expect(group.appended).toBe(appended);
  }
}

const untilStates = (group: string, states: Readonly<Record<string, number>>) =>
  eventually(
    async () => {
      expect(await bus.states(group)).toEqual(states);
      return true;
    },
    { intervalMs: 200, message: `the states of ${group}` },
  );

/** Waits until these runners, which are all there are, have noticed that they are paused, and none of them reads any more. */
async function untilPaused(...runners: readonly ServiceProcess[]): Promise<void> {
  for (const runner of runners) await runner.waitFor(/the group is paused/);
  await eventually(async () => /^blocked_clients:0\r?$/m.test(await bus.redis.client().info('clients')));
}

test('every state that an event can be in is told, and each event is in one of them', async () => {
  const publisher = await bus.start('outbox-publisher');
  const mover = await bus.start('dlq-mover');
  const runner = await bus.runner('first');
  const poison = await bus.append('poison', 'poison', 'poison');
  await bus.append(...many(20), 'dull');
  await bus.appendForeign(4);
  await untilStates('first', { done: 20, skipped: 1, dead: 3, 'passed-over': 4 });

  // A group that begins now, paused before it takes anything; what comes next waits unread.
  const late = await bus.runner('late', { ACCOUNTED_START: 'now' });
  for (const group of ['late', 'first']) await bus.control(group, 'pause');
  await untilPaused(late, runner);
  await bus.settle(poison[0] ?? '', 'discard');
  await bus.settle(poison[1] ?? '', 'redrive');
  await bus.append(...many(5));
  await untilStates('late', { 'before-start': 28, unread: 5 });

  // Held by a process that is gone: still in flight, until somebody takes it over.
  await mover.stop();
  const doomed = await bus.runner('doomed', { ACCOUNTED_START: 'now' });
  await bus.append('slow', 'slow', 'poison');
  await untilStates('doomed', { 'before-start': 33, 'in-flight': 2, 'given-up': 1 });
  doomed.kill('SIGKILL');
  await doomed.exited;

  // Too large to be written, and what is not published.
  await bus.append('x'.repeat(8_000));
  await eventually(async () => (await bus.states('first')).parked === 1);
  publisher.kill('SIGKILL');
  await publisher.exited;
  await bus.append(...many(6));

  const report = await bus.audit();
  expectExact(report, 43);
  expect(Object.fromEntries(report.groups.map(({ group, states }) => [group, states]))).toEqual({
    first: {
      done: 20,
      skipped: 1,
      dead: 1,
      redriving: 1,
      discarded: 1,
      'passed-over': 4,
      unread: 8,
      parked: 1,
      unpublished: 6,
    },
    late: { 'before-start': 28, unread: 8, parked: 1, unpublished: 6 },
    doomed: { 'before-start': 33, 'in-flight': 2, 'given-up': 1, parked: 1, unpublished: 6 },
  });

  // What was resumed goes on; what Redis loses is written again.
  await bus.redis.client().flushall();
  expectExact(await bus.audit(), 43);
  await bus.start('outbox-publisher');
  await bus.start('dlq-mover');
  await bus.control('late', 'resume');
  // The three that were meant for the one that was killed: it takes one of them for poison, and its time for two.
  await eventually(async () => (await bus.states('late')).dead === 1);
  await untilStates('late', { 'before-start': 28, done: 11, 'in-flight': 2, dead: 1, parked: 1 });
  expectExact(await bus.audit(), 43);
});

test('what is in no state, or in two, is listed by its ID, and nothing else', async () => {
  await bus.start('outbox-publisher');
  await bus.start('dlq-mover');
  const runner = await bus.runner('first');
  const good = await bus.append(...many(30));
  const [poison = ''] = await bus.append('poison');
  await untilStates('first', { done: 30, dead: 1 });
  const whole = await bus.audit();

  await bus.control('first', 'pause');
  await untilPaused(runner);
  const waiting = await bus.append('Ann');
  await eventually(async () => (await bus.states('first')).unread === 1);
  const entries = await bus.redis.client().xrevrange('events:user', '+', '-', 'COUNT', 1);
  await bus.append('Ann');
  await eventually(async () => (await bus.states('first')).unread === 2);
  await bus.redis.client().xdel('events:user', entries[0]?.[0] ?? '');
  const { pool } = bus.database;
  await pool.query('delete from inbox_events where event_id = $1', [good[3]]);
  await pool.query("update inbox_events set outcome = 'done' where event_id = $1", [poison]);

  const report = await bus.audit();
  const told = await bus.bus('audit', '--limit', '2');

  expectExact(whole, 31);
  expect(report.faults.map(({ eventId, state }) => [eventId, state])).toEqual([
    [good[3], 'missing'],
    [poison, 'contradictory'],
    [waiting[0], 'missing'],
  ]);
  expect(isProven(report)).toBe(false);
  expect(told.code).toBe(1);
  expect(told.output).toContain(good[3]);
  expect(told.output).toContain('1 more event at fault');
});

test('what was trimmed before a group began is forgotten, also where the trim ended in the midst of a batch', async () => {
  await bus.start('outbox-publisher');
  await bus.runner('first');
  const events = await bus.append(...many(30));
  await untilStates('first', { done: 30 });
  const client = bus.redis.client();
  const entries = await client.xrange('events:user', '-', '+');
  const [to = '', stays = ''] = entries.slice(9, 11).map(([id]) => id);
  const lastOf = new Map([['test', { position: 10, eventId: events[9] ?? '' }]]);
  await recordTrimmed(bus.database.db, 'events:user', { from: null, to, lastOf });
  await client.hset('{events:user}:writers', '@trimmed', to);
  await client.xtrim('events:user', 'MINID', stays);

  await bus.runner('late');
  await untilStates('late', { forgotten: 10, done: 20 });
  expectExact(await bus.audit(), 30);
  // Of that batch all is written again.
  await client.flushall();
  await untilStates('late', { done: 30 });
  expectExact(await bus.audit(), 30);
});

test('an audit under traffic, kills and a wiped Redis finds every event accounted for at each moment', async () => {
  await bus.start('outbox-publisher');
  await Promise.all([bus.start('dlq-mover'), bus.start('dlq-mover')]);
  const runners = [
    await bus.runner('first'),
    await bus.runner('ordered', { ACCOUNTED_ORDERING: 'aggregate' }),
    await bus.runner('ordered', { ACCOUNTED_ORDERING: 'aggregate' }),
  ];
  let appended = 0;
  const traffic = (async () => {
    while (appended < 1_000) {
      await bus.append(...many(9), 'poison');
      appended += 10;
    }
  })();

  for (let round = 0; round < 12; round += 1) {
    if (round === 3) runners[1]?.kill('SIGKILL');
    if (round === 6) await bus.redis.client().flushall();
    if (round === 9) {
      runners[0]?.kill('SIGKILL');
      runners[0] = await bus.runner('first');
    }
    const before = appended;
    const report = await bus.audit();
    expect(report.faults).toEqual([]);
    for (const group of report.groups) {
      expect(group.appended).toBeGreaterThanOrEqual(before);
      expect(group.settled + group.deadLettered + group.waiting).toBe(group.appended);
    }
  }
  await traffic;
  // Somebody is handled now and then: were all that is left to fail, a group would take it for an outage, and wait for
  // the end of that.
  for (const group of ['first', 'ordered']) {
    await eventually(
      async () => {
        await bus.append('Ann');
        appended += 1;
        return (await bus.states(group)).dead === 100;
      },
      { intervalMs: 200, message: `the letters of ${group}` },
    );
  }
  const settled = { done: appended - 100, dead: 100 };
  await untilStates('first', settled);
  await untilStates('ordered', settled);
});

test('an outage of what all handlers need leaves nothing dead, is shown, and everything is handled after it', async () => {
  await bus.database.pool.query('update weather set is_down = true');
  await bus.start('outbox-publisher');
  await bus.start('dlq-mover');
  const runners = [
    await bus.runner('first'),
    await bus.runner('ordered', { ACCOUNTED_ORDERING: 'aggregate' }),
  ];
  for (let batch = 0; batch < 4; batch += 1) await bus.append(...many(100));
  // Many more tries than an event has attempts, with the longer and longer pauses of an outage between them.
  for (const runner of runners) {
    await eventually(
      () => (runner.output().match(/trying whether handlers succeed again/g)?.length ?? 0) > 2,
    );
  }
  const shown = await bus.bus('groups');
  const down = await bus.audit();
  await bus.database.pool.query('update weather set is_down = false');
  await untilStates('first', { done: 400 });
  await untilStates('ordered', { done: 400 });

  for (const group of ['first', 'ordered']) {
    expect(shown.output).toMatch(
      new RegExp(`^${group} has an open circuit for .*: Error: the index does not answer$`, 'm'),
    );
  }
  expectExact(down, 400);
  for (const group of down.groups) expect(group).toMatchObject({ waiting: 400, deadLettered: 0 });
  const { rows } = await bus.database.pool.query(
    'select consumer_group, count(*)::int as effects, count(distinct event_id)::int as events from effects group by 1 order by 1',
  );
  expect(rows).toEqual([
    { consumer_group: 'first', effects: 400, events: 400 },
    { consumer_group: 'ordered', effects: 400, events: 400 },
  ]);
});

test('a group is paused and resumed by command: it stops, keeps what it holds, and goes on', async () => {
  await bus.start('outbox-publisher');
  const runners = [await bus.runner('first'), await bus.runner('first')];
  await bus.append(...many(50));
  await untilStates('first', { done: 50 });

  const paused = await bus.bus('pause', 'first', '--reason', 'index is rebuilt', '--operator', 'ann');
  await untilPaused(...runners);
  await bus.append(...many(50));
  await untilStates('first', { done: 50, unread: 50 });
  const shown = await bus.bus('groups');
  const port = /"port":(\d+)/.exec(runners[0]?.output() ?? '')?.[1];
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  runners[0]?.kill('SIGKILL');
  const resumed = await bus.bus('resume', 'first', '--operator', 'bob');
  await untilStates('first', { done: 100 });

  expect(paused).toEqual({ code: 0, output: 'first is paused.\n' });
  expect(shown.output).toMatch(/^first is paused for \S+.* by ann: index is rebuilt$/m);
  expect(metrics).toMatch(/^bus_consumer_paused\{.*"first".*\} 1/m);
  expect(resumed.output).toMatch(/^first is resumed; it was paused for .* by ann/);
  const { rows } = await bus.database.pool.query(
    'select operator, action, consumer_group, reason from operator_actions order by id',
  );
  expect(rows).toEqual([
    { operator: 'ann', action: 'pause', consumer_group: 'first', reason: 'index is rebuilt' },
    { operator: 'bob', action: 'resume', consumer_group: 'first', reason: null },
  ]);
});

test('runners that are killed one after the other leave no list of names behind, and nothing of what they held', async () => {
  await bus.start('outbox-publisher');
  await bus.start('dlq-mover', { CONSUMER_IDLE: '1s' });
  const names = async () => {
    const consumers = await bus.redis.client().xinfo('CONSUMERS', 'events:user', 'first');
    return (consumers as string[][]).map((consumer) => consumer[1]);
  };
  let last = await bus.runner('first');
  for (let death = 0; death < 4; death += 1) {
    await bus.append(...many(10));
    await eventually(async () => (await names()).length > 0);
    last.kill('SIGKILL');
    await last.exited;
    last = await bus.runner('first');
  }
  await untilStates('first', { done: 40 });

  await eventually(async () => (await names()).length <= 1);
  expectExact(await bus.audit(), 40);
  const { code, output } = await bus.bus('audit');
  expect(code).toBe(0);
  expect(output).toMatch(/^first +40 +40 +0 +0 +0 +0\n\nfirst: 40 done$/m);
});
