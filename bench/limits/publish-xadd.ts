// What a publisher could reach at most: entries that are there already, sent a thousand at a time, without any database.
import { Redis } from 'ioredis';
import { entryOf, stream } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const entriesPerPipeline = 1_000;
const events = count('EVENTS');
const redis = new Redis(parameter('REDIS_URL'));
const entries = Array.from({ length: events }, (_, index) => entryOf(index + 1));
await redis.ping();

console.log('begin');
for (let start = 0; start < events; start += entriesPerPipeline) {
  const pipeline = redis.pipeline();
  for (const entry of entries.slice(start, start + entriesPerPipeline)) pipeline.xadd(stream, '*', ...entry);
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
}
console.log('end');

redis.disconnect();
