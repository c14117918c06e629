// Imports users and projects, as many events as it is told, as fast as they can be committed: five hundred in a transaction, by one
// statement of plain SQL. That takes a small part of what handling them takes, so it gets far ahead of the groups that share its
// cores. Prints how far it is after each transaction, as a line of JSON.
import { createPool } from '@event-bus/database';
import { count, parameter } from '../harness/parameters.ts';

const events = count('EVENTS');
const eventsPerTransaction = 500;
const connections = 4;

// Nobody else can change what is not there before the COMMIT: no lock is needed for the order of its events. One in ten is a user, to
// whom a mail is sent, in a transaction by itself.
const importSome = `
  with imported as (
    select gen_random_uuid() as event_id, topic, topic || '-' || gen_random_uuid() as id, n
    from generate_series(1, $1::integer) n,
      lateral (select case when n % 10 = 0 then 'user' else 'project' end as topic) t
  ), changed as (
    insert into demo.records (type, id, version) select topic, id, 1 from imported
  ), noted as (
    insert into demo.appended (event_id, aggregate_type, aggregate_id, version, event_type)
    select event_id, topic, id, 1, topic || '.created' from imported
  )
  insert into outbox_events (event_id, aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
  select event_id, topic, id, topic || '.created', 'acme', 'import', case topic
    when 'user' then jsonb_build_object('name', 'Name ' || n, 'email', id || '@example.com')
    else jsonb_build_object('name', 'Project ' || n, 'ownerId', 'import')
  end
  from imported`;

const pool = createPool({ url: parameter('DATABASE_URL'), applicationName: 'soak import', max: connections });
let begun = 0;
let committed = 0;

async function write(): Promise<void> {
  while (begun < events) {
    const some = Math.min(eventsPerTransaction, events - begun);
    begun += some;
    await pool.query({ name: 'import', text: importSome, values: [some] });
    committed += some;
    console.log(JSON.stringify({ events: committed, lateMs: 0 }));
  }
}

console.log('begin');
await Promise.all(Array.from({ length: connections }, write));
await pool.end();
