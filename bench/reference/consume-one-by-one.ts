// The loop one would write first: read ten entries, handle one after the other in a transaction of its own, and
// acknowledge each. It remembers event IDs, not entry IDs, so that it does the same work as what it is compared with.
import { Redis } from 'ioredis';
import pg from 'pg';
import { stream } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

type Reply = [stream: string, entries: [id: string, fields: string[]][]][] | null;

const group = 'bench';
const events = count('EVENTS');
const db = new pg.Pool({ connectionString: parameter('DATABASE_URL') });
const redis = new Redis(parameter('REDIS_URL'));
await db.query('select 1');
await redis.xgroup('CREATE', stream, group, '0');

async function processEventIdempotently(
  id: string,
  event: { readonly value: (name: string) => string; readonly payload: { readonly name: string } },
): Promise<void> {
  const client = await db.connect();
  try {
    await client.query('begin');
    const { rowCount } = await client.query(
      `insert into inbox_events (consumer_group, event_id, occurred_at, outcome, stream, stream_id, attempt)
       values ($1, $2, $3, 'done', $4, $5, 1) on conflict do nothing`,
      [group, event.value('event_id'), event.value('occurred_at'), stream, id],
    );
    if (rowCount === 1) {
      await client.query('insert into effects (event_id, aggregate_id, note) values ($1, $2, $3)', [
        event.value('event_id'),
        event.value('aggregate_id'),
        event.payload.name,
      ]);
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

console.log('begin');
for (let handled = 0; handled < events; ) {
  const reply = (await redis.xreadgroup(
    'GROUP',
    group,
    'consumer-1',
    'COUNT',
    10,
    'BLOCK',
    5_000,
    'STREAMS',
    stream,
    '>',
  )) as Reply;
  for (const [, entries] of reply ?? []) {
    for (const [id, fields] of entries) {
      const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
      const payload = JSON.parse(value('payload')) as { readonly name: string };
      await processEventIdempotently(id, { value, payload });
      await redis.xack(stream, group, id);
      handled += 1;
    }
  }
}
console.log('end');

redis.disconnect();
await db.end();
