// The database's share of handling with a transaction per event: the same round trips, without a bus.
import { count } from '../harness/parameters.ts';
import { connect, createWork, insertEffect, insertInboxRows } from './work.ts';

const work = createWork(count('EVENTS'));
const clients = await connect(16);

console.log('begin');
await Promise.all(
  clients.map(async (client) => {
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      await Promise.all([client.query('begin'), insertInboxRows(client, [next])]);
      await insertEffect(client, next);
      await client.query('commit');
    }
  }),
);
console.log('end');

await Promise.all(clients.map((client) => client.end()));
