// The database's share of handling with many events in a transaction: the same round trips, without a bus.
import { count } from '../harness/parameters.ts';
import { connect, createWork, insertEffect, insertInboxRows } from './work.ts';

const batchSize = 100;
const work = createWork(count('EVENTS'));
const clients = await connect(2);

console.log('begin');
await Promise.all(
  clients.map(async (client) => {
    for (let batch = work.splice(-batchSize); batch.length > 0; batch = work.splice(-batchSize)) {
      await Promise.all([client.query('begin'), insertInboxRows(client, batch)]);
      await Promise.all(batch.map((one) => insertEffect(client, one)));
      await client.query('commit');
    }
  }),
);
console.log('end');

await Promise.all(clients.map((client) => client.end()));
