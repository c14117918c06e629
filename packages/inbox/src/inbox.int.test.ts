import { randomUUID } from 'node:crypto';
import type { BusDatabase } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { type ControlledTransaction, sql, type Transaction } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { beginHandling, type InboxRow, recordHandled, settleOutcome } from './handled.ts';
import { recordPositions } from './positions.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const row = (overrides: Partial<InboxRow> = {}): InboxRow => ({
  group: 'g',
  eventId: randomUUID(),
  replayId: '',
  occurredAt: '2026-11-23 10:00:00.123456+00',
  stream: 'events:user',
  streamId: '1-1',
  attempt: 1,
  ...overrides,
});

/** What `beginHandling` sets, in a transaction of kysely's. */
async function handling<Result>(run: (trx: Transaction<BusDatabase>) => Promise<Result>): Promise<Result> {
  return database.db.transaction().execute(async (trx) => {
    await sql`set local bus.handling = on`.execute(trx);
    return run(trx);
  });
}

test('an event is new once per group and replay, whatever entry brings it', async () => {
  const first = row();

  expect(await handling((trx) => recordHandled(trx, [first]))).toEqual([true]);

  const later = [
    { ...first, streamId: '9-9', attempt: 2 },
    { ...first, group: 'h' },
    { ...first, replayId: 'r1' },
    row(),
    { ...first, eventId: first.eventId.toUpperCase() },
  ];
  expect(await handling((trx) => recordHandled(trx, later))).toEqual([false, true, true, true, false]);
  expect(await handling((trx) => recordHandled(trx, []))).toEqual([]);
});

test('of duplicates in one call the first is new', async () => {
  const same = row();

  expect(await handling((trx) => recordHandled(trx, [same, row(), { ...same, streamId: '2-2' }]))).toEqual([
    true,
    true,
    false,
  ]);
});

test('an event that is just being handled is waited for: new if that is rolled back', async () => {
  const same = row();
  const first: ControlledTransaction<BusDatabase> = await database.db.startTransaction().execute();
  await sql`set local bus.handling = on`.execute(first);
  await recordHandled(first, [same]);

  const second = handling((trx) => recordHandled(trx, [same]));
  const blocked = sql<{ blocked: boolean }>`
    select exists (select from pg_locks where not granted) as blocked`;
  await expect.poll(async () => (await blocked.execute(database.db)).rows[0]?.blocked).toBe(true);
  await first.rollback().execute();

  expect(await second).toEqual([true]);
});

test('calls that name the same events in opposite orders wait for each other and do not deadlock', async () => {
  const ids = ['00000000', '88888888', 'ffffffff'].map((start) => `${start}-0000-4000-8000-000000000000`);
  const rows = ids.map((eventId) => row({ eventId }));
  const [, middle] = rows;
  const holder = await database.db.startTransaction().execute();
  await sql`set local bus.handling = on`.execute(holder);
  await recordHandled(holder, middle ? [middle] : []);

  const calls = [rows, rows.toReversed()].map((given) => handling((trx) => recordHandled(trx, given)));
  await expect
    .poll(async () => (await sql`select from pg_locks where not granted`.execute(database.db)).rows.length)
    .toBe(2);
  await holder.rollback().execute();

  const answers = await Promise.all(calls);
  expect(answers).toContainEqual([true, true, true]);
  expect(answers).toContainEqual([false, false, false]);
});

test('nothing is recorded outside of a transaction begun for it', async () => {
  await expect(database.db.transaction().execute((trx) => recordHandled(trx, [row()]))).rejects.toThrow();
  await handling((trx) => recordHandled(trx, [row()]));
  await expect(database.db.transaction().execute((trx) => recordHandled(trx, [row()]))).rejects.toThrow();

  const { rows } = await sql<{ count: string }>`select count(*) from inbox_events`.execute(database.db);
  expect(rows).toEqual([{ count: '1' }]);
});

test('the text that begins a transaction bounds how long it idles', async () => {
  const client = await database.pool.connect();
  await client.query(beginHandling(1234.5));
  const { rows } = await client.query('show idle_in_transaction_session_timeout');
  await client.query('rollback');
  client.release();

  expect(rows).toEqual([{ idle_in_transaction_session_timeout: '1235ms' }]);
});

test('a recorded event can be said to be skipped', async () => {
  const skipped = row();

  await handling(async (trx) => {
    await recordHandled(trx, [row(), skipped]);
    await settleOutcome(trx, skipped, { outcome: 'skipped', reason: 'not ours' });
  });

  expect(
    await database.db
      .selectFrom('inbox_events')
      .select(['event_id', 'reason'])
      .where('outcome', '=', 'skipped')
      .execute(),
  ).toEqual([{ event_id: skipped.eventId, reason: 'not ours' }]);
});

test('positions only go up, and one below the highest is told, also within one call', async () => {
  const at = (position: bigint, aggregateId = 'a', source = 's') => ({
    source,
    aggregateType: 'user',
    aggregateId,
    position,
  });
  const record = (...positions: ReturnType<typeof at>[]) =>
    handling((trx) => recordPositions(trx, 'g', positions));

  expect(await record(at(5n), at(1n, 'b'), at(6n))).toEqual([]);
  expect(await record(at(4n), at(7n), at(2n, 'b'))).toEqual([{ index: 0, after: 6n }]);
  expect(await record(at(9n), at(8n))).toEqual([{ index: 1, after: 9n }]);
  expect(await record(at(9n))).toEqual([]);
  expect(await record(at(1n, 'a', 'another source'))).toEqual([]);
  expect(await handling((trx) => recordPositions(trx, 'another group', [at(1n)]))).toEqual([]);

  const stored = await database.db
    .selectFrom('inbox_positions')
    .select(['aggregate_id', 'position'])
    .where('consumer_group', '=', 'g')
    .where('source', '=', 's')
    .orderBy('aggregate_id')
    .execute();
  expect(stored).toEqual([
    { aggregate_id: 'a', position: '9' },
    { aggregate_id: 'b', position: '2' },
  ]);
});
