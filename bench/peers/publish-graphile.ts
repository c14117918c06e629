// graphile-worker: a job per event. `tuned` is what its page on performance describes: jobs are fetched many at a time,
// and done ones are removed together, but for the wait of 50 ms for more of these, without which it was slower.
import { Logger, run } from 'graphile-worker';
import { Redis } from 'ioredis';
import { entryOfMessage, type Message, stream } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { connect, untilNone } from './database.ts';

const tuned = { concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 }, completeJobBatchDelay: 50 };
const settings = parameter('SETTINGS') === 'tuned' ? tuned : { concurrentJobs: 10 };
const events = countdown(count('EVENTS'));
const redis = new Redis(parameter('REDIS_URL'));
const db = await connect();
await redis.ping();

const runner = await run({
  preset: { worker: { connectionString: parameter('DATABASE_URL'), ...settings } },
  logger: new Logger(() => () => undefined),
  noHandleSignals: true,
  taskList: {
    async publish(payload) {
      events.begin();
      await redis.xadd(stream, '*', ...entryOfMessage(payload as Message));
      events.one();
    },
  },
});
await events.done;
await untilNone(db, 'select 1 from graphile_worker.jobs limit 1');
console.log('end');

await runner.stop();
await db.end();
redis.disconnect();
