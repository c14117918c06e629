// The database's share of handling with many events in a transaction: the same round trips, without a bus.
import { count, parameter } from '../harness/parameters.ts';
import { connect, createWork, insertEffect, insertEffectByKysely, insertInboxRows } from './work.ts';

const batchSize = count('BATCH_SIZE');
const insert = parameter('HANDLER') === 'kysely' ? insertEffectByKysely : insertEffect;
const work = createWork(count('EVENTS'));
const clients = await connect(2);

console.log('begin');
await Promise.all(
  clients.map(async (client) => {
    for (let batch = work.splice(-batchSize); batch.length > 0; batch = work.splice(-batchSize)) {
      await Promise.all([client.query('begin'), insertInboxRows(client, batch)]);
      await Promise.all(batch.map((one) => insert(client, one)));
      await client.query('commit');
    }
  }),
);
console.log('end');

await Promise.all(clients.map((client) => client.end()));
