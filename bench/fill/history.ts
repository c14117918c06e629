/** The stream that past events went to: everything in it was archived and trimmed. */
export const pastStream = 'events:past';

/** The last entry of that stream, and its event. */
export const pastMark = { entryId: '1000-0', eventId: '00000000-0000-4000-8000-000000000000' };

const batchEvents = 500;

/**
 * Days of an outbox' past, as a publisher and an archiver leave them: published, recorded in batches, archived. As a
 * superuser, since no producer can insert into the past.
 */
export function fillHistory(days: number, eventsPerDay: number): string[] {
  const all = days * eventsPerDay;
  const batches = Math.ceil(all / batchEvents);
  const day = (n: string) => `((now() at time zone 'UTC')::date - ${days + 10} + ${n})`;
  return [
    `set timezone = 'UTC'`,
    `do $$ begin
       for n in 0..${days - 1} loop
         execute format('create table %I partition of outbox_events for values from (%L) to (%L)',
           bus_partition_name('outbox_events', ${day('n')}), ${day('n')}, ${day('n')} + 1);
       end loop;
     end $$`,
    'set session_replication_role = replica',
    `insert into outbox_events (position, event_id, aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, inserted_at, slot)
     select n, case when n = ${all} then '${pastMark.eventId}'::uuid else gen_random_uuid() end, 'past', 'past-' || n % 1000, 'past.happened', 'tenant', 'bench', json_build_object('text', repeat('x', 250)),
       (${day(`(n - 1) / ${eventsPerDay}`)})::timestamptz + interval '12 hours', 0
     from generate_series(1, ${all}) n`,
    `insert into outbox_batches (stream, number, positions, events, last_id, last_event_id, written_at)
     select '${pastStream}', b, int8multirange(int8range((b - 1) * ${batchEvents} + 1, least(b * ${batchEvents}, ${all}), '[]')),
       ${batchEvents}, case when b = ${batches} then '${pastMark.entryId}' else b || '-0' end, '${pastMark.eventId}',
       now() - interval '10 days'
     from generate_series(1, ${batches}) b`,
    'reset session_replication_role',
    `select setval('outbox_position', ${all})`,
    `update outbox_cursor set position = ${all}`,
    `insert into topics (name, partitions) values ('past', 1)`,
    `insert into stream_retention (stream, archived_to) values ('${pastStream}', '${pastMark.entryId}')`,
    `insert into stream_retention_sources (stream, source, archived_position, archived_event_id)
     values ('${pastStream}', 'bench', ${all}, '${pastMark.eventId}')`,
  ];
}
