import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { loadHandledEvents, registerGroup } from './registry.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

async function register(...events: readonly string[]): Promise<ReadonlyMap<string, Date | null>> {
  await registerGroup(database.db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: { events },
  });
  return (await loadHandledEvents(database.db)).get('mail') ?? new Map();
}

test('what a group handles when it is registered first, it has always handled', async () => {
  expect(await register('a', 'b')).toEqual(
    new Map([
      ['a', null],
      ['b', null],
    ]),
  );
  expect((await register('a', 'b')).get('a')).toBeNull();
});

test('a handler that comes later is known with when it came, and keeps that', async () => {
  await register('a');
  const { rows } = await database.pool.query<{ now: Date }>('select clock_timestamp() as now');
  const since = (await register('a', 'b')).get('b');
  const again = await register('a', 'b', 'c');

  expect(since?.getTime()).toBeGreaterThanOrEqual(rows[0]?.now.getTime() ?? Number.POSITIVE_INFINITY);
  expect(again.get('b')).toEqual(since);
  expect(again.get('a')).toBeNull();
});

test('a handler that went and comes again counts from then on', async () => {
  await register('a', 'b');
  expect([...(await register('a')).keys()]).toEqual(['a']);

  expect((await register('a', 'b')).get('b')).toBeInstanceOf(Date);
});

test('a group that states no handlers has none', async () => {
  expect(await register()).toEqual(new Map());
});
