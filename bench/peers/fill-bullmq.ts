import { Queue } from 'bullmq';
import { messageOf, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const jobsPerCall = 1_000;
const events = count('EVENTS');
const queue = new Queue(topic, { connection: { url: parameter('REDIS_URL') } });

for (let start = 1; start <= events; start += jobsPerCall) {
  const length = Math.min(jobsPerCall, events + 1 - start);
  const messages = Array.from({ length }, (_, index) => messageOf(start + index));
  await queue.addBulk(
    messages.map((data) => ({ name: data.event_type, data, opts: { removeOnComplete: true } })),
  );
}

await queue.close();
