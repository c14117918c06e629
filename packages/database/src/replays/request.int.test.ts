import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing.ts';
import { loadReplays } from './replay.ts';
import { changeReplay, openHistory, requestHistory } from './request.ts';
import { claimReplay, endReplay, noteReplay, openReplays } from './work.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const ask = (...streams: string[]) => requestHistory(database.db, { group: 'g', streams });

async function history() {
  const [replay, ...others] = await loadReplays(database.db, { group: 'g', limit: 5 });
  if (replay === undefined || others.length > 0) throw new Error('not one history');
  const streams = Object.fromEntries(replay.streams.map(({ stream, isDone }) => [stream, isDone]));
  return { id: replay.id, state: replay.state, streams };
}

/** Takes the history of the group over, as a replayer does, and tells of which streams it is. */
async function claim() {
  const claimed = await claimReplay(database.db, (await history()).id);
  if (claimed === undefined) throw new Error('there is nothing to be done');
  return { ...claimed, open: claimed.streams.filter(({ isDone }) => !isDone).map(({ stream }) => stream) };
}

test('a stream that is added while the history of the others is under way is not passed over by whoever works on it', async () => {
  await ask('one');
  const first = await claim();
  await ask('one', 'two');

  expect(await noteReplay(database.db, first, 'one', { isDone: true })).toBe(false);
  expect(await endReplay(database.db, first, null)).toBe(false);

  const { id } = await history();
  expect(await openReplays(database.db)).toEqual([id]);
  const second = await claim();
  expect(second.open).toEqual(['one', 'two']);
  // Being asked for once more changes nothing.
  await ask('one', 'two');
  for (const stream of second.open)
    expect(await noteReplay(database.db, second, stream, { isDone: true })).toBe(true);
  expect(await endReplay(database.db, second, null)).toBe(true);
  expect(await openHistory(database.db, 'g')).toEqual(new Set());
});

test('a stream that is added to a history that is through gets its own', async () => {
  await ask('one');
  const first = await claim();
  await noteReplay(database.db, first, 'one', { isDone: true });
  await endReplay(database.db, first, null);

  await ask('one', 'two');

  expect(await openHistory(database.db, 'g')).toEqual(new Set(['two']));
  expect((await claim()).open).toEqual(['two']);
});

test('a stream that is added to a history that was cancelled gets its own, and the others stay without', async () => {
  await ask('one');
  const { id } = await history();
  const cancel = { from: ['queued'], to: 'cancelled' } as const;
  await database.db.transaction().execute((trx) => changeReplay(trx, id, cancel));
  await ask('one');
  expect(await history()).toMatchObject({ state: 'cancelled', streams: { one: false } });

  await ask('one', 'two');

  expect(await history()).toMatchObject({ state: 'queued', streams: { one: true, two: false } });
  expect(await openHistory(database.db, 'g')).toEqual(new Set(['two']));
  expect((await claim()).open).toEqual(['two']);
});

test('a stream that is added to a history that is paused waits with the others', async () => {
  await ask('one');
  const { id } = await history();
  const pause = { from: ['queued'], to: 'paused' } as const;
  await database.db.transaction().execute((trx) => changeReplay(trx, id, pause));

  await ask('one', 'two');

  expect(await history()).toMatchObject({ state: 'paused', streams: { one: false, two: false } });
});
