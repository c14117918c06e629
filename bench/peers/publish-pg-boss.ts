// pg-boss: a job per event, two workers that take five hundred at a time and wait for nothing while there are more.
import { Redis } from 'ioredis';
import { PgBoss } from 'pg-boss';
import { entryOfMessage, type Message, stream, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { connect, untilNone } from './database.ts';

const events = countdown(count('EVENTS'));
const redis = new Redis(parameter('REDIS_URL'));
const db = await connect();
const boss = new PgBoss(parameter('DATABASE_URL'));
boss.on('error', (error) => {
  throw error;
});
await boss.start();
await redis.ping();

const options = {
  batchSize: 500,
  burstWhenBatchFull: true,
  localConcurrency: 2,
  pollingIntervalSeconds: 0.5,
};
await boss.work<Message>(topic, options, async (jobs) => {
  events.begin();
  const pipeline = redis.pipeline();
  for (const { data } of jobs) pipeline.xadd(stream, '*', ...entryOfMessage(data));
  for (const [error] of (await pipeline.exec()) ?? []) {
    if (error) throw error;
    events.one();
  }
});
await events.done;
await untilNone(db, "select 1 from pgboss.job where state < 'completed' limit 1");
console.log('end');

await boss.stop({ graceful: false });
await db.end();
redis.disconnect();
