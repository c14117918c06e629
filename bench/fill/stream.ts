import type { Redis } from 'ioredis';
import { entryOf, type Filling, fillingBytes, payloadOf, stream } from './events.ts';

// Neither many commands nor many bytes wait for a reply at a time.
const mostCommands = 1_000;
const mostBytes = 8 * 1024 ** 2;

/** Adds events to the stream. Returns the ID of the last entry. */
export async function fillStream(
  redis: Redis,
  count: number,
  { filling = fillingBytes, traced = false }: Filling = {},
): Promise<string> {
  const filled = 'x'.repeat(filling);
  const entriesPerPipeline = Math.max(1, Math.min(mostCommands, Math.floor(mostBytes / filling)));
  let lastId = '';
  for (let number = 1; number <= count; number += entriesPerPipeline) {
    const pipeline = redis.pipeline();
    for (let next = number; next < number + entriesPerPipeline && next <= count; next += 1) {
      pipeline.xadd(stream, '*', ...entryOf(next, payloadOf(next, filled), traced));
    }
    for (const [error, id] of (await pipeline.exec()) ?? []) {
      if (error) throw error;
      lastId = String(id);
    }
  }
  return lastId;
}
