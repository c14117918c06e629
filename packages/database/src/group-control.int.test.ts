import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { loadPauses, pauseGroup, resumeGroup } from './group-control.ts';
import { registerGroup } from './registry.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  await registerGroup(database.db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
});

afterEach(() => database.close());

const ann = { operator: 'ann', reason: 'maintenance' };
const bob = { operator: 'bob', reason: null };

async function actions() {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    'select operator, action, consumer_group, reason, details from operator_actions order by id',
  );
  return rows;
}

test('a pause and its end are on record with who and why, the end with the pause that it ended', async () => {
  const paused = await pauseGroup(database.db, 'mail', ann);
  expect(await loadPauses(database.db)).toEqual(new Map([['mail', paused?.pause]]));
  const resumed = await resumeGroup(database.db, 'mail', bob);

  expect(paused).toMatchObject({ changed: true, pause: { by: 'ann', reason: 'maintenance' } });
  expect(resumed).toEqual({ changed: true, pause: paused?.pause });
  expect(await loadPauses(database.db)).toEqual(new Map());
  expect(await actions()).toEqual([
    { operator: 'ann', action: 'pause', consumer_group: 'mail', reason: 'maintenance', details: {} },
    {
      operator: 'bob',
      action: 'resume',
      consumer_group: 'mail',
      reason: null,
      details: {
        pausedAt: paused?.pause?.at.toISOString(),
        pausedBy: 'ann',
        pauseReason: 'maintenance',
      },
    },
  ]);
});

test('a second pause changes nothing and names the first, and there is nothing to resume twice', async () => {
  const first = await pauseGroup(database.db, 'mail', ann);
  expect(await pauseGroup(database.db, 'mail', bob)).toEqual({ changed: false, pause: first?.pause });
  await resumeGroup(database.db, 'mail', bob);
  expect(await resumeGroup(database.db, 'mail', ann)).toEqual({ changed: false, pause: null });

  expect((await actions()).map(({ action }) => action)).toEqual(['pause', 'resume']);
});

test('of many who pause at a time one does, and is on record', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, n) => pauseGroup(database.db, 'mail', { operator: `o${n}`, reason: null })),
  );

  const [winner, ...others] = outcomes.filter((outcome) => outcome?.changed === true);
  expect(others).toEqual([]);
  expect(new Set(outcomes.map((outcome) => outcome?.pause?.by))).toEqual(new Set([winner?.pause?.by]));
  expect(await actions()).toMatchObject([{ operator: winner?.pause?.by, action: 'pause' }]);
});

test('a group that nobody registered is neither paused nor resumed', async () => {
  expect(await pauseGroup(database.db, 'nobody', ann)).toBeUndefined();
  expect(await resumeGroup(database.db, 'nobody', ann)).toBeUndefined();
  expect(await actions()).toEqual([]);
});

test('what cannot be recorded is not done', async () => {
  await expect(pauseGroup(database.db, 'mail', { operator: ' ', reason: null })).rejects.toThrow(
    'operator_actions',
  );

  expect(await loadPauses(database.db)).toEqual(new Map());
});
