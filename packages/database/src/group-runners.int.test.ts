import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { beat, leaveGroup, type RunnerBeat, runnerSilenceMs } from './group-runners.ts';
import { loadGroup, registerGroup } from './registry.ts';
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
  topics: ['t'],
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

describe('of two versions of a group side by side', () => {
  const register = (...topics: readonly string[]) =>
    registerGroup(database.db, {
      name: 'g',
      topics,
      ordering: 'none',
      startFrom: 'beginning',
      startPositions: new Map(),
      policy: {},
    });
  const beats = (name: string, ...topics: readonly string[]) =>
    beat(database.db, runner(name, ['a'], { topics }));
  const topics = async () => (await loadGroup(database.db, 'g'))?.topics;
  /** As if so much time had passed since the topics were named. */
  const pass = (ms: number) =>
    database.pool.query(
      `update consumer_groups set topics_named = (select jsonb_object_agg(
        key, (value #>> '{}')::timestamptz - make_interval(secs => $1::float8 / 1000)) from jsonb_each(topics_named))`,
      [ms],
    );

  test('the older one takes no topic away, by registering or by a beat, be it before the first beat of the newer one', async () => {
    await register('t', 'u');
    await register('t');
    expect(await topics()).toEqual(['t', 'u']);
    await pass(runnerSilenceMs / 2);
    await beats('old', 't');
    expect(await topics()).toEqual(['t', 'u']);

    await beats('new', 't', 'u');
    await pass(runnerSilenceMs / 2);
    await register('t');
    await beats('old', 't');
    expect(await topics()).toEqual(['t', 'u']);
  });

  test('the newer one adds its topic, and what it names with each beat stays however long', async () => {
    await register('t');
    await register('t', 'u');
    for (let round = 0; round < 4; round += 1) {
      await pass(runnerSilenceMs / 2);
      await beats('old', 't');
      await beats('new', 't', 'u');
    }
    expect(await topics()).toEqual(['t', 'u']);
  });

  test.each([
    ['died between registering and its first beat', async () => undefined],
    [
      'stopped',
      async () => {
        await beats('new', 't', 'u');
        await leaveGroup(database.db, 'g', 'new');
      },
    ],
  ])('a topic of one that %s is given up by the next beat after the silence', async (_how, ends) => {
    await register('t', 'u');
    await ends();
    await register('t');
    expect(await topics()).toEqual(['t', 'u']);

    await pass(runnerSilenceMs + 1_000);
    await beats('old', 't');
    expect(await topics()).toEqual(['t']);
  });

  test('a topic that nobody has named for long goes with a registration, and comes back with a beat of one that reads it', async () => {
    await register('t', 'u');
    await pass(runnerSilenceMs + 1_000);
    await register('t');
    expect(await topics()).toEqual(['t']);

    await beats('new', 't', 'u');
    expect(await topics()).toEqual(['t', 'u']);
  });

  test('a group none of whose runners is alive keeps all its topics', async () => {
    await register('t', 'u');
    await pass(24 * 3_600_000);
    await beat(database.db, { ...runner('foreign'), group: 'another' });

    expect(await topics()).toEqual(['t', 'u']);
  });

  test('both register and beat at a time, and no topic is lost', async () => {
    await register('t');
    for (let round = 0; round < 10; round += 1) {
      await pass(runnerSilenceMs / 2);
      await Promise.all([
        register('t', 'u'),
        register('t'),
        beats('old', 't'),
        beats('new', 't', 'u'),
        register('t', 'v'),
      ]);
      expect(await topics()).toEqual(['t', 'u', 'v']);
    }
  });

  test('a beat does not wait for who holds the row of the group', async () => {
    await register('t');
    const holder = await database.pool.connect();
    try {
      await holder.query(`begin; select from consumer_groups where name = 'g' for update`);
      const told = beats('new', 't', 'u').then(() => true);
      expect(await Promise.race([told, setTimeout(40_000, false, { ref: false })])).toBe(true);
    } finally {
      holder.release(true);
    }
  });

  test('beats that have nothing new to say do not write to the row of the group', async () => {
    await register('t');
    const version = async () => {
      const { rows } = await database.pool.query<{ xmin: string }>('select xmin::text from consumer_groups');
      return rows;
    };
    const before = await version();
    await beats('one', 't');
    await beats('two', 't');

    expect(await version()).toEqual(before);
  });
});
