import type { Redis } from 'ioredis';
import { entryOf, stream } from './events.ts';

const entriesPerPipeline = 1_000;

/** Adds events to the stream. Returns the ID of the last entry. */
export async function fillStream(redis: Redis, count: number): Promise<string> {
  let lastId = '';
  for (let number = 1; number <= count; number += entriesPerPipeline) {
    const pipeline = redis.pipeline();
    for (let next = number; next < number + entriesPerPipeline && next <= count; next += 1) {
      pipeline.xadd(stream, '*', ...entryOf(next));
    }
    for (const [error, id] of (await pipeline.exec()) ?? []) {
      if (error) throw error;
      lastId = String(id);
    }
  }
  return lastId;
}
