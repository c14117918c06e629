import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { beat, leaveGroup, type RunnerBeat, runnerSilenceMs } from './group-runners.ts';
import { registerGroup } from './registry.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const runner = (
  name: string,
  events: readonly string[] = ['a'],
  rest: Partial<RunnerBeat> = {},
): RunnerBeat => ({
  group: 'g',
  runner: name,
  events,
  circuit: 'closed',
  circuitSince: 0,
  circuitError: null,
  knownAt: null,
  ...rest,
});

const names = async () => {
  const rows = await database.db.selectFrom('group_runners').select('runner').orderBy('runner').execute();
  return rows.map((row) => row.runner);
};

/** As if a runner had not been heard of for so long. */
const silence = (name: string, ms: number) =>
  database.pool.query(
    `update group_runners set seen_at = clock_timestamp() - make_interval(secs => $2::float8 / 1000) where runner = $1`,
    [name, ms],
  );

test('a runner is told what the others of its group have handlers for, itself and other groups left out', async () => {
  await beat(database.db, runner('one', ['a', 'b']));
  await beat(database.db, runner('two', ['b', 'c']));
  await beat(database.db, { ...runner('foreign', ['x']), group: 'another' });

  const { eventsElsewhere } = await beat(database.db, runner('three', ['d']));

  expect([...eventsElsewhere].sort()).toEqual(['a', 'b', 'c']);
});

test('a runner that fell silent is no longer counted, and forgotten by the next who looks', async () => {
  await beat(database.db, runner('one', ['a']));
  await beat(database.db, runner('two', ['b']));
  await silence('one', runnerSilenceMs / 2);
  await silence('two', runnerSilenceMs + 1_000);

  const { eventsElsewhere } = await beat(database.db, runner('three'));

  expect(eventsElsewhere).toEqual(['a']);
  expect(await names()).toEqual(['one', 'three']);
});

test('a runner that leaves is forgotten at once, and one that was taken for dead comes back with its next beat', async () => {
  await beat(database.db, runner('one'));
  await beat(database.db, runner('two', ['b']));
  await leaveGroup(database.db, 'g', 'one');
  expect(await names()).toEqual(['two']);

  await beat(database.db, runner('one'));
  expect(await names()).toEqual(['one', 'two']);
});

test("an operator's pause is told with who and why, also to a group that nobody has registered", async () => {
  expect((await beat(database.db, runner('early'))).pause).toBeNull();
  await registerGroup(database.db, {
    name: 'g',
    topics: ['t'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  await database.pool.query(
    `update consumer_groups set paused_at = now(), paused_by = 'alice', pause_reason = 'bad mails'`,
  );
  expect((await beat(database.db, runner('one'))).pause).toEqual({ by: 'alice', reason: 'bad mails' });

  await database.pool.query('update consumer_groups set paused_at = null');
  expect((await beat(database.db, runner('one'))).pause).toBeNull();
});

test('the state of its circuit stands in its row, whatever text its error has', async () => {
  const since = Date.parse('2026-11-25T10:00:00.123Z');
  await beat(
    database.db,
    runner('one', ['a'], { circuit: 'open', circuitSince: since, circuitError: 'Error: \0 refused' }),
  );

  const row = await database.db.selectFrom('group_runners').selectAll().executeTakeFirstOrThrow();
  expect(row).toMatchObject({ circuit: 'open', circuit_error: 'Error: \uFFFD refused' });
  expect(row.circuit_since?.valueOf()).toBe(since);
});

test('others know of a runner when they go by news from its second beat or later', async () => {
  const old = await beat(database.db, runner('old', ['a']));
  const newcomer = runner('new', ['a', 'b']);
  expect((await beat(database.db, newcomer)).othersKnow).toBe(false);
  const { at } = await beat(database.db, newcomer);
  const looks = async () => (await beat(database.db, newcomer, at)).othersKnow;

  // Goes by what it was told before.
  const told = await beat(database.db, runner('old', ['a'], { knownAt: old.at }));
  expect(told.eventsElsewhere).toContain('b');
  expect(await looks()).toBe(false);
  await beat(database.db, runner('old', ['a'], { knownAt: told.at }));

  expect(await looks()).toBe(true);
});

test('nobody has to know of a runner but those that are alive and lack one of its handlers', async () => {
  await beat(database.db, runner('same', ['b', 'a', 'c']));
  await beat(database.db, runner('dead', ['a']));
  await silence('dead', runnerSilenceMs + 1_000);

  expect((await beat(database.db, runner('new', ['a', 'b']))).othersKnow).toBe(true);
});
