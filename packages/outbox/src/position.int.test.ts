import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

test('whoever draws a position has a transaction ID by then, so that a missing one can be decided', async () => {
  const holder = await database.pool.connect();
  const producer = await database.pool.connect();
  const { rows } = await producer.query<{ pid: number }>('select pg_backend_pid() as pid');
  await holder.query('begin');
  // Whoever wants a number from the sequence waits for this.
  await holder.query('alter sequence outbox_position cache 1');
  const inserted = producer.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     values ('user', 'ann', 'test.happened', 'acme', 'alice', '{}')`,
  );
  const waiting = await eventually(async () => {
    const found = await database.pool.query<{ xid: string | null }>(
      `select a.backend_xid::text as xid from pg_stat_activity a
       join pg_locks l on l.pid = a.pid and not l.granted and l.relation = 'outbox_position'::regclass
       where a.pid = $1`,
      [rows[0]?.pid],
    );
    return found.rows[0];
  });
  await holder.query('commit');
  await inserted;
  holder.release();
  producer.release();

  expect(waiting.xid).toMatch(/^\d+$/);
});
