import { withClient } from '../harness/with-client.ts';

/** How many days of the past the inbox is given, and how many events each. */
const past = { days: 3, eventsPerDay: 20_000, daysAgo: 100 };

/**
 * Divides today's and tomorrow's partition of a new outbox into such of `width` seconds, for so many seconds from now. What
 * is left of each day is a partition under the day's own name, so that a publisher finds that the day has one.
 */
export async function divideOutbox(url: string, width: number, seconds: number): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(`set timezone = 'UTC'`);
    await client.query(`
      do $$
      declare
        width interval := '${width} s';
        start timestamptz := date_trunc('second', now());
        finish timestamptz := now() + interval '${seconds} s';
        day date;
        bound timestamptz;
      begin
        for day in select current_date + n from generate_series(0, 1) n loop
          execute format('drop table %I', bus_partition_name('outbox_events', day));
          bound := greatest(day, start);
          while bound + width < least(finish, day + 1) loop
            execute format('create table %I partition of outbox_events for values from (%L) to (%L)',
              'outbox_events_at' || to_char(bound, 'YYYYMMDDHH24MISS'), bound, bound + width);
            bound := bound + width;
          end loop;
          execute format('create table %I partition of outbox_events for values from (%L) to (%L)',
            bus_partition_name('outbox_events', day), bound, day + 1);
        end loop;
      end $$`);
  });
}

/**
 * Gives the inbox of a group days of the past that nothing can reach any more, for runners to drop. What a run itself
 * handles stays: no window of an inbox is shorter than the hours that clocks may differ by.
 */
export async function fillInboxPast(url: string, group: string, source: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(`set timezone = 'UTC'`);
    const day = (n: string) => `(current_date - ${past.daysAgo} + ${n})`;
    await client.query(`
      do $$ begin
        for n in 0..${past.days - 1} loop
          execute format('create table %I partition of inbox_events for values from (%L) to (%L)',
            bus_partition_name('inbox_events', ${day('n')}), ${day('n')}, ${day('n')} + 1);
        end loop;
      end $$`);
    await client.query(
      `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, processed_at, stream, stream_id, attempt)
       select $1, gen_random_uuid(), at, 'done', at, 'events:user', '1-1', 1
       from generate_series(0, ${past.days * past.eventsPerDay - 1}) n
       cross join lateral (select ${day(`n / ${past.eventsPerDay}`)}::timestamptz + interval '12 hours' as at) t`,
      [group],
    );
    await client.query(
      `insert into outbox_floors (source, since, position, inserted_at)
       values ($1, now() - interval '60 days', 0, now() - interval '90 days')`,
      [source],
    );
  });
}

/** How many of those days are left. */
export const pastInboxDays = `
  select count(*)::int as "pastInboxDays" from bus_partitions('inbox_events') where ends_at < now() - interval '1 day'`;
