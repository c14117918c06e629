import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import type { PoolClient } from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { DeposedError } from '../errors.ts';
import { takeLead } from './lead.ts';
import { recordProgress } from './store.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const nothing = { written: [], noted: [], closed: [], parked: [], unparked: [] };

async function append(client: PoolClient, aggregateId: string): Promise<void> {
  await client.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     values ('user', $1, 'test.happened', 'acme', 'alice', '{}')`,
    [aggregateId],
  );
}

async function begin(): Promise<{ client: PoolClient; xid: number }> {
  const client = await database.pool.connect();
  await client.query('begin');
  const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  return { client, xid: Number(rows[0]?.xid) };
}

test('a noted gap carries a transaction ID younger than any that may still fill it', async () => {
  const { epoch } = await takeLead(database.pool, 'test', 'publisher');
  const older = await begin();
  const younger = await begin();
  await append(younger.client, 'ann');
  await append(older.client, 'bob');
  await older.client.query('commit');
  older.client.release();

  // Nobody who is younger than the one that is still open has ended yet, so no snapshot reaches beyond it.
  const xid = await recordProgress(database.pool, epoch, {
    ...nothing,
    position: 2,
    noted: [{ first: 1, last: 1 }],
  });

  expect(xid).toBeGreaterThan(younger.xid);
  const { rows } = await database.pool.query('select first, last, xid::text from outbox_gaps');
  expect(rows).toEqual([{ first: '1', last: '1', xid: String(xid) }]);
  await younger.client.query('rollback');
  younger.client.release();
});

test('a leader that was replaced is told so and records nothing', async () => {
  await database.pool.query("select setval('outbox_position', 9)");
  const first = await takeLead(database.pool, 'test', 'first');
  await recordProgress(database.pool, first.epoch, { ...nothing, position: 3 });
  const second = await takeLead(database.pool, 'test', 'second');

  const late = recordProgress(database.pool, first.epoch, {
    ...nothing,
    position: 9,
    noted: [{ first: 4, last: 5 }],
  });
  await expect(late).rejects.toThrow(DeposedError);
  await recordProgress(database.pool, second.epoch, { ...nothing, position: 4 });

  const cursor = await database.db.selectFrom('outbox_cursor').select('position').executeTakeFirstOrThrow();
  expect(Number(cursor.position)).toBe(4);
  expect(await database.db.selectFrom('outbox_gaps').selectAll().execute()).toEqual([]);
});
