// Producers at saturation: sixteen connections, each inserts one event per transaction, one after the other.
import pg from 'pg';
import { insertInto } from './fill/insert.ts';
import { count, parameter } from './harness/parameters.ts';

const events = count('EVENTS');
const insert = insertInto(parameter('TABLE'));
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
    for (let number = next++; number < events; number = next++) await client.query(insert(number));
  }),
);
console.log('end');

await Promise.all(clients.map((client) => client.end()));
