// BullMQ: jobs that are removed when they are done, as its guide for production advises.
import { Queue, Worker } from 'bullmq';
import { type Message, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { createHandler } from './handler.ts';

const connection = { url: parameter('REDIS_URL'), maxRetriesPerRequest: null };
const events = countdown(count('EVENTS'));
const handler = await createHandler();
const queue = new Queue<Message>(topic, { connection });
const worker = new Worker<Message>(topic, ({ data, id = '' }) => handler.handle(data, id), {
  connection,
  concurrency: 16,
  autorun: false,
});
worker.on('completed', () => events.one());
worker.on('failed', (_job, error) => {
  throw error;
});
await worker.waitUntilReady();

console.log('begin');
const running = worker.run();
await events.done;
const left = await queue.count();
if (left > 0) throw new Error(`${left} jobs are left`);
console.log('end');

await worker.close();
await running;
await queue.close();
await handler.close();
