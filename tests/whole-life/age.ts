import type { TestDatabase } from '../../packages/database/src/testing.ts';

type Pool = TestDatabase['pool'];

/** Moves what was published up to a position into partitions of past days, as no producer could. */
export async function ageOutbox(pool: Pool, position: number): Promise<void> {
  const client = await pool.connect();
  await client.query(`begin; set local session_replication_role = replica; set local timezone = 'UTC'`);
  await client.query(`do $$ begin
    for n in 10..12 loop
      execute format('create table %I partition of outbox_events for values from (%L) to (%L)',
        bus_partition_name('outbox_events', current_date - n), current_date - n, current_date - n + 1);
    end loop;
  end $$`);
  await client.query(
    `update outbox_events set inserted_at = current_date - 10 - (position % 3)::int + interval '12 hours'
     where position <= $1`,
    [position],
  );
  await client.query('commit');
  client.release();
}

/** Makes inbox rows of what the outbox lacks, up to a position, older than every window. Returns how many. */
export async function ageInbox(pool: Pool, position: number): Promise<number> {
  await pool.query(`create table inbox_of_old partition of inbox_events
    for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')`);
  const { rowCount } = await pool.query(
    `update inbox_events i set occurred_at = '2020-01-01 12:00+00', processed_at = now() - interval '100 days'
     where i.outcome = 'done' and not exists (select from outbox_events o where o.event_id = i.event_id)`,
  );
  await pool.query(
    `insert into outbox_floors (source, since, position, inserted_at)
     values ('life', now() - interval '60 days', $1, now() - interval '90 days')`,
    [position],
  );
  return rowCount ?? 0;
}
