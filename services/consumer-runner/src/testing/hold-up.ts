import type { TestDatabase } from '@event-bus/database/testing';
import { eventually } from '@event-bus/testkit';

/**
 * Keeps handlers of a ledger in their midst until they are let go: those of events that are named `held`, or those that
 * the condition tells. However slow the machine is, what happens to their runner meanwhile happens in the midst of them.
 */
export async function holdUp(pool: TestDatabase['pool'], which = `new.name = 'held'`) {
  await pool.query(`
    create table gate as select 1;
    create function wait_at_gate() returns trigger language plpgsql as $$ begin
      while exists (select from gate) loop perform pg_sleep(0.05); end loop;
      return new; end $$;
    create trigger gate before insert on ledger for each row when (${which}) execute function wait_at_gate()`);
  return {
    /** Until so many of them wait. */
    waiting: (count: number) =>
      eventually(async () => {
        const { rowCount } = await pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
        );
        return rowCount === count;
      }),
    letGo: () => pool.query('delete from gate'),
  };
}
