// Producers at saturation: sixteen connections, each inserts one event per transaction, one after the other.
import pg from 'pg';
import { aggregateOf, payloadOf, topic } from './fill/events.ts';
import { count, parameter } from './harness/parameters.ts';

const events = count('EVENTS');
const text = `
  insert into ${pg.escapeIdentifier(parameter('TABLE'))}
    (aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload)
  values ($1, $2, $3, $4, $5, $6, $7)`;
const clients = await Promise.all(
  Array.from({ length: 16 }, async () => {
    const client = new pg.Client({ connectionString: parameter('DATABASE_URL') });
    await client.connect();
    return client;
  }),
);

console.log('begin');
let next = 0;
await Promise.all(
  clients.map(async (client) => {
    for (let number = next++; number < events; number = next++) {
      const tenant = `tenant-${number % 20}`;
      const values = [topic, aggregateOf(number), 'user.created', 2, tenant, 'bench', payloadOf(number)];
      await client.query({ name: 'insert', text, values });
    }
  }),
);
console.log('end');

await Promise.all(clients.map((client) => client.end()));
