import { randomBytes, randomUUID } from 'node:crypto';
import type { BusDatabase } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { type ControlledTransaction, sql, type Transaction } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { findBlockers } from './dead-letters/blockers.ts';
import { findSettled } from './find-settled.ts';
import { beginHandling, type InboxRow, recordHandled, settleOutcome } from './handled.ts';
import type { AggregatePosition } from './positions.ts';
import { UnrecordableEventError } from './refusal.ts';

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

/** What `beginHandling` marks, in a transaction of kysely's. */
const mark = (trx: Transaction<BusDatabase>) => sql`set transaction deferrable`.execute(trx);

async function handling<Result>(run: (trx: Transaction<BusDatabase>) => Promise<Result>): Promise<Result> {
  return database.db.transaction().execute(async (trx) => {
    await mark(trx);
    return run(trx);
  });
}

const recordAll = (trx: Transaction<BusDatabase>, rows: readonly InboxRow[]) =>
  recordHandled(trx, rows, { idleMs: 60_000 });

/** Which of them are new. */
const record = async (trx: Transaction<BusDatabase>, rows: readonly InboxRow[]) =>
  (await recordAll(trx, rows)).map(({ isFresh }) => isFresh);

const at = (position: bigint, aggregateId = 'a', source = 's'): AggregatePosition => ({
  source,
  aggregateType: 'user',
  aggregateId,
  position,
});

/** Records new events at these positions, and tells which positions were there before lower ones, by index. */
async function recordAt(
  trx: Transaction<BusDatabase>,
  positions: readonly AggregatePosition[],
): Promise<(bigint | undefined)[]> {
  const known = await recordAll(
    trx,
    positions.map((position) => row({ position })),
  );
  return known.map(({ invertedAfter }) => invertedAfter);
}

/** For what the machine may take its time over. */
const patient = { timeout: 20_000 };

/** How many sessions of this database wait for a lock. */
const blocked = async () => {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
    database.db,
  );
  return rows.length;
};

const positions = () =>
  database.db
    .selectFrom('inbox_positions')
    .select(['consumer_group', 'aggregate_id', 'source', 'position'])
    .orderBy('consumer_group')
    .orderBy('aggregate_id')
    .orderBy('source')
    .execute();

const recorded = () =>
  database.db
    .selectFrom('inbox_events')
    .select(['event_id', 'stream_id'])
    .orderBy('event_id')
    .orderBy('occurred_at')
    .execute();

test('an event is new once per group and replay, whatever entry brings it', async () => {
  const first = row();

  expect(await handling((trx) => record(trx, [first]))).toEqual([true]);

  const later = [
    { ...first, streamId: '9-9', attempt: 2 },
    { ...first, group: 'h' },
    { ...first, replayId: 'r1' },
    row(),
    { ...first, eventId: first.eventId.toUpperCase() },
  ];
  expect(await handling((trx) => record(trx, later))).toEqual([false, true, true, true, false]);
  expect(await handling((trx) => record(trx, []))).toEqual([]);
});

test('of duplicates in one call the first is new', async () => {
  const same = row();

  expect(await handling((trx) => record(trx, [same, row(), { ...same, streamId: '2-2' }]))).toEqual([
    true,
    true,
    false,
  ]);
});

test('two events that share an ID but not a time are two, in one call and in several', async () => {
  const first = row();
  const second = { ...first, occurredAt: '2026-11-23 10:00:00.123457+00', streamId: '2-2' };
  const third = { ...first, occurredAt: '2025-01-01 00:00:00+00', streamId: '3-3' };

  expect(await handling((trx) => record(trx, [second, first, second]))).toEqual([true, true, false]);
  expect(await handling((trx) => record(trx, [first, third, second]))).toEqual([false, true, false]);
  expect(await handling((trx) => record(trx, [third]))).toEqual([false]);

  expect((await recorded()).map((one) => one.stream_id)).toEqual(['3-3', '1-1', '2-2']);
});

test('one instant is the same however it is written, as is an ID', async () => {
  const first = row();
  const again = [
    { ...first, occurredAt: '2026-11-23T10:00:00.123456Z' },
    { ...first, occurredAt: '2026-11-23T12:30:00.1234560+02:30', eventId: first.eventId.toUpperCase() },
  ];

  expect(await handling((trx) => record(trx, [...again, first]))).toEqual([true, false, false]);
  expect(await handling((trx) => record(trx, again))).toEqual([false, false]);
  for (const one of again) expect(await handling((trx) => record(trx, [one]))).toEqual([false]);
  expect(await recorded()).toHaveLength(1);
});

const long = randomBytes(2_000).toString('hex');

test.each([
  [
    'an offset that PostgreSQL does not know',
    { occurredAt: '2026-01-01T00:00:00+20:00' },
    /^occurred_at "2026-01-01T00:00:00\+20:00" cannot be recorded in the inbox: .*out of range/,
  ],
  ['the year 0', { occurredAt: '0000-01-01T00:00:00Z' }, /^occurred_at "0000-/],
  ['a NUL', { replayId: 'r\0' }, /^replay_id "r\\u0000" /],
  ['a text too long for an index', { replayId: long }, /^replay_id "[0-9a-f]{100}…" .*index row size/],
])('an event with %s is refused by name, alone and among others', async (_, bad, message) => {
  for (const rows of [[row(bad)], [row(), row(bad), row()]]) {
    const failure = handling((trx) => record(trx, rows));
    await expect(failure).rejects.toThrow(UnrecordableEventError);
    await expect(failure).rejects.toThrow(message);
  }
  expect(await recorded()).toEqual([]);
});

test('an aggregate that the positions cannot hold is refused by name, alone and among others', async () => {
  const others = [at(1n, 'b'), at(1n, 'c')];
  for (const beside of [[], others]) {
    const record = (place: AggregatePosition) => handling((trx) => recordAt(trx, [place, ...beside]));
    await expect(record(at(1n, 'b\0'))).rejects.toThrow(/^aggregate_id "b\\u0000" cannot be recorded/);
    await expect(record(at(1n, long))).rejects.toThrow(/^aggregate_id "/);
    await expect(record(at(1n, 'a', long))).rejects.toThrow(/^source "/);
  }
  expect(await recorded()).toEqual([]);
});

test('a rule of the table that an event breaks is told by its name; a missing partition is no fault of the event', async () => {
  await sql`alter table inbox_events add constraint not_tomorrow check (attempt < 9)`.execute(database.db);
  const refused = handling((trx) => record(trx, [row({ attempt: 9 })]));
  await expect(refused).rejects.toThrow(/^the event cannot be recorded in the inbox: .*not_tomorrow/);

  await sql`drop table inbox_events_default`.execute(database.db);
  const homeless = handling((trx) => record(trx, [row({ occurredAt: '1990-01-01 00:00:00+00' })]));
  await expect(homeless).rejects.toThrow('no partition');
  await expect(homeless).rejects.not.toThrow(UnrecordableEventError);
});

test('an event that is just being handled is waited for: new if that is rolled back', async () => {
  const same = row();
  const first: ControlledTransaction<BusDatabase> = await database.db.startTransaction().execute();
  await mark(first);
  await record(first, [same]);

  const second = handling((trx) => record(trx, [same]));
  await expect.poll(blocked, patient).toBe(1);
  await first.rollback().execute();

  expect(await second).toEqual([true]);
});

test('calls that name the same events in opposite orders wait for each other and do not deadlock', async () => {
  const ids = ['00000000', '88888888', 'ffffffff'].map((start) => `${start}-0000-4000-8000-000000000000`);
  const rows = ids.map((eventId) => row({ eventId }));
  const [, middle] = rows;
  const holder = await database.db.startTransaction().execute();
  await mark(holder);
  await record(holder, middle ? [middle] : []);

  const calls = [rows, rows.toReversed()].map((given) => handling((trx) => record(trx, given)));
  await expect.poll(blocked, patient).toBe(2);
  await holder.rollback().execute();

  const answers = await Promise.all(calls);
  expect(answers).toContainEqual([true, true, true]);
  expect(answers).toContainEqual([false, false, false]);
});

test('nothing is recorded outside of a transaction begun for it', async () => {
  await expect(database.db.transaction().execute((trx) => record(trx, [row()]))).rejects.toThrow();
  await handling((trx) => record(trx, [row()]));
  await expect(database.db.transaction().execute((trx) => record(trx, [row()]))).rejects.toThrow();
  const ordered = () => row({ position: at(1n) });
  for (const rows of [[ordered()], [ordered(), ordered()]]) {
    // Behind a BEGIN that failed, each statement would be a transaction of its own.
    const pooled = database.db as unknown as Transaction<BusDatabase>;
    await expect(record(pooled, rows)).rejects.toThrow();
  }
  expect(await positions()).toEqual([]);

  const { rows } = await sql<{ count: string }>`select count(*) from inbox_events`.execute(database.db);
  expect(rows).toEqual([{ count: '1' }]);
});

test('who records events is bounded in how long it may idle from then on, and no longer than its transaction', async () => {
  const idle = sql<{ idle: string }>`select current_setting('idle_in_transaction_session_timeout') as idle`;
  const limits: (string | undefined)[] = [];
  for (const rows of [[row()], [row({ position: at(1n) })], [row(), row()]]) {
    await database.db.connection().execute(async (connection) => {
      await sql.raw(beginHandling).execute(connection);
      await recordHandled(connection as Transaction<BusDatabase>, rows, { idleMs: 1_234.5 });
      limits.push((await idle.execute(connection)).rows[0]?.idle);
      await sql`commit`.execute(connection);
      limits.push((await idle.execute(connection)).rows[0]?.idle);
    });
  }

  expect(limits).toEqual(['1235ms', '0', '1235ms', '0', '1235ms', '0']);
  expect(await recorded()).toHaveLength(4);
});

test('events are looked up by all that names them, whatever became of them', async () => {
  const rows = Array.from({ length: 4 }, () => row());
  const [first, second] = rows;
  await handling((trx) => record(trx, rows));
  await sql`update inbox_events set outcome = 'dead' where event_id = ${second?.eventId}`.execute(
    database.db,
  );
  const pending: ControlledTransaction<BusDatabase> = await database.db.startTransaction().execute();
  await mark(pending);
  const underWay = row();
  await record(pending, [underWay]);

  const asked = [
    row(),
    ...rows,
    row({ ...first, eventId: first?.eventId.toUpperCase() ?? '', occurredAt: '2026-11-23T10:00:00.123456Z' }),
    row({ ...first, group: 'h' }),
    row({ ...first, replayId: 'r1' }),
    row({ ...first, occurredAt: '2026-11-23 10:00:00.123457+00' }),
    underWay,
  ];
  const expected = [false, true, true, true, true, true, false, false, false, false];

  expect(await findSettled(database.db, asked)).toEqual(expected);
  expect(await findSettled(database.db, [])).toEqual([]);
  const many = Array.from({ length: 5_000 }, () => row());
  expect(await findSettled(database.db, [...many, ...rows])).toEqual([
    ...many.map(() => false),
    ...rows.map(() => true),
  ]);
  await pending.rollback().execute();
});

test('a look-up searches the index of the one partition that may hold the event', async () => {
  const today = new Date().toISOString();
  const rows = Array.from({ length: 50 }, () => row({ occurredAt: today }));
  await handling((trx) => record(trx, rows));

  const scans = (trx: Transaction<BusDatabase>) =>
    sql<{ table: string; sequential: number; index: number }>`
    select relname as table, seq_scan::integer as sequential, idx_scan::integer as index
    from pg_stat_xact_user_tables where relname like 'inbox_events%' order by 1`.execute(trx);
  const searched = await database.db.transaction().execute(async (trx) => {
    // What the connection did before counts, too.
    const { rows: before } = await scans(trx);
    await findSettled(trx, rows);
    const { rows: after } = await scans(trx);
    return after
      .map(({ table, sequential, index }, n) => ({
        table,
        sequential: sequential - (before[n]?.sequential ?? 0),
        index: index - (before[n]?.index ?? 0),
      }))
      .filter(({ sequential, index }) => sequential + index > 0);
  });

  const partition = `inbox_events_p${today.slice(0, 10).replaceAll('-', '')}`;
  expect(searched).toEqual([{ table: partition, sequential: 0, index: 50 }]);
});

test('a recorded event can be said to be skipped', async () => {
  const skipped = row();

  await handling(async (trx) => {
    await record(trx, [row(), skipped]);
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
  const told = (...places: AggregatePosition[]) => handling((trx) => recordAt(trx, places));

  expect(await told(at(5n), at(1n, 'b'), at(6n))).toEqual([undefined, undefined, undefined]);
  expect(await told(at(4n), at(7n), at(2n, 'b'))).toEqual([6n, undefined, undefined]);
  expect(await told(at(9n), at(8n))).toEqual([undefined, 9n]);
  expect(await told(at(9n))).toEqual([undefined]);
  expect(await told(at(3n))).toEqual([9n]);
  expect(await told(at(10n))).toEqual([undefined]);
  expect(await told(at(1n, 'a', 'z'))).toEqual([undefined]);
  const elsewhere = [row({ group: 'h', position: at(1n) }), row({ group: 'h', position: at(2n) }), row()];
  expect(await handling((trx) => recordAll(trx, elsewhere))).toEqual(
    elsewhere.map(() => ({ isFresh: true })),
  );

  expect(await positions()).toEqual([
    { consumer_group: 'g', aggregate_id: 'a', source: 's', position: '10' },
    { consumer_group: 'g', aggregate_id: 'a', source: 'z', position: '1' },
    { consumer_group: 'g', aggregate_id: 'b', source: 's', position: '2' },
    { consumer_group: 'h', aggregate_id: 'a', source: 's', position: '2' },
  ]);
});

test('what was handled before inverts no order, alone and among others', async () => {
  const first = row({ position: at(1n) });
  await handling((trx) => recordAll(trx, [first]));
  await handling((trx) => recordAll(trx, [row({ position: at(2n) })]));

  expect(await handling((trx) => recordAll(trx, [first]))).toEqual([{ isFresh: false }]);
  expect(await handling((trx) => recordAll(trx, [first, row()]))).toEqual([
    { isFresh: false },
    { isFresh: true },
  ]);
  expect(await positions()).toMatchObject([{ position: '2' }]);
});

test('a position is stored without a look at those of other aggregates, however few there were at first', async () => {
  const everybody = (position: bigint) => Array.from({ length: 100 }, (_, n) => at(position, `user-${n}`));
  await handling((trx) => recordAt(trx, [at(1n, 'user-0')]));
  await sql`analyze inbox_positions`.execute(database.db);

  const { rows } = await handling(async (trx) => {
    for (const places of [everybody(2n), everybody(3n), [at(4n, 'user-1')]]) await recordAt(trx, places);
    return sql`
      select seq_tup_read::int from pg_stat_xact_user_tables where relname = 'inbox_positions'`.execute(trx);
  });

  expect(rows).toEqual([{ seq_tup_read: 0 }]);
});

test('why an event was skipped is recorded, whatever the text holds', async () => {
  const skipped = row();
  await handling(async (trx) => {
    await record(trx, [skipped]);
    await settleOutcome(trx, skipped, { outcome: 'skipped', reason: 'no user "a\0b"' });
  });

  const { rows } = await sql<{ reason: string }>`select reason from inbox_events`.execute(database.db);
  expect(rows).toEqual([{ reason: 'no user "a\uFFFDb"' }]);
});

test('an aggregate that PostgreSQL cannot hold is the fault of its event, where it is looked for among dead letters, too', async () => {
  const positions = [{ source: 's', aggregateType: 'user', aggregateId: 'a\0b', position: 7n }];

  await expect(handling((trx) => findBlockers(trx, 'g', positions))).rejects.toThrow(
    /aggregate_id "a\\u0000b" cannot be recorded in the inbox/,
  );
});
