import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { type LogPage, readGaps, readPage, readPositions } from './pages.ts';
import { after } from './ranges.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const all = { pageSize: 500, pageBytes: 1_000_000 } as const;

/** One event per size of payload, in bytes. */
async function append(...sizes: readonly number[]): Promise<void> {
  await database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     select 'user', 'ann', 'test.happened', 'acme', 'alice', to_json(repeat('x', s - 2)) from unnest($1::int[]) s`,
    [sizes],
  );
}

const shape = ({ rows, isFull }: LogPage) => ({ positions: rows.map((row) => row.position), isFull });

test('a page ends with the row that reaches its rows or its bytes', async () => {
  await append(1_000, 1_000, 50_000, 1_000, 1_000, 70_000);
  const page = async (behind: number, limits: object) =>
    shape(await readPage(database.pool, behind, { ...all, ...limits }));

  expect(await page(0, {})).toEqual({ positions: [1, 2, 3, 4, 5, 6], isFull: false });
  expect(await page(0, { pageSize: 2 })).toEqual({ positions: [1, 2], isFull: true });
  expect(await page(0, { pageBytes: 10_000 })).toEqual({ positions: [1, 2, 3], isFull: true });
  expect(await page(0, { pageBytes: 1 })).toEqual({ positions: [1], isFull: true });
  expect(await page(3, { pageBytes: 100_000 })).toEqual({ positions: [4, 5, 6], isFull: false });
  expect(await page(6, { pageBytes: 1 })).toEqual({ positions: [], isFull: false });
});

test('headers count, and so do rows from before their bytes were stored', async () => {
  await append(2_000, 2_000, 2_000);
  await database.pool.query(
    `begin; set local session_replication_role = replica; update outbox_events set bytes = null; commit`,
  );
  await database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
     select 'user', 'ann', 'test.happened', 'acme', 'alice', '{}', jsonb_build_object('tracestate', repeat('x', 2000))
     from generate_series(1, 3)`,
  );
  const limits = { ...all, pageBytes: 4_000 };

  expect(shape(await readPage(database.pool, 0, limits))).toEqual({ positions: [1, 2], isFull: true });
  expect(shape(await readPage(database.pool, 3, limits))).toEqual({ positions: [4, 5], isFull: true });
});

test('positions are read range by range, and what a page left is read by the next', async () => {
  await append(...Array.from({ length: 12 }, () => 1_000));
  const ranges = [
    { first: 8, last: 10 },
    { first: 1, last: 3 },
    { first: 20, last: 30 },
    { first: 5, last: 5 },
  ];
  const limits = { pageSize: 4, pageBytes: 2_500 };
  const first = await readPositions(database.pool, ranges, limits);
  const rest = after(first.rows.at(-1)?.position ?? 0, ranges);
  const second = await readPositions(database.pool, rest, { ...limits, pageBytes: 1_000_000 });

  expect(shape(first)).toEqual({ positions: [8, 9, 10], isFull: true });
  expect(shape(second)).toEqual({ positions: [1, 2, 3, 5], isFull: true });
  expect(after(5, rest)).toEqual([]);
  expect(after(9, ranges)[0]).toEqual({ first: 10, last: 10 });
});

test('a page of many ranges reads no more rows than it gives back, and some of the range that it ends in', async () => {
  await append(...Array.from({ length: 5_000 }, () => 10));
  await database.pool.query('analyze outbox_events');
  const ranges = Array.from({ length: 100 }, (_, n) => ({ first: 50 * n + 1, last: 50 * n + 49 }));
  const limits = { ...all, pageSize: 100 };
  // Of one connection: the counts are those of its transaction.
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  try {
    await pool.query('begin');
    for (const read of [readPositions, readGaps]) {
      const fetched = async () => {
        const { rows } = await pool.query<{ count: number }>(
          'select sum(seq_tup_read + idx_tup_fetch)::int as count from pg_stat_xact_user_tables',
        );
        return rows[0]?.count ?? 0;
      };
      const before = await fetched();
      const { rows } = await read(pool, ranges, limits);

      expect(rows.map(({ position }) => position)).toEqual(
        ranges.flatMap(({ first }) => Array.from({ length: 49 }, (_, n) => first + n)).slice(0, 100),
      );
      expect((await fetched()) - before).toBeLessThan(300);
    }
  } finally {
    await pool.end();
  }
});

test('a look into gaps says when it has not seen all', async () => {
  await append(1_000, 1_000, 1_000);
  const gaps = [{ first: 1, last: 5 }];

  expect(shape(await readGaps(database.pool, gaps, all))).toEqual({ positions: [1, 2, 3], isFull: false });
  expect(shape(await readGaps(database.pool, gaps, { ...all, pageBytes: 1_500 }))).toEqual({
    positions: [1, 2],
    isFull: true,
  });
  expect(shape(await readGaps(database.pool, [{ first: 7, last: 9 }], all))).toEqual({
    positions: [],
    isFull: false,
  });
});
