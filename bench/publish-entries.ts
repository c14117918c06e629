import type { Redis } from 'ioredis';
import { stream } from './fill/events.ts';
import { assertCount, RunInvalidError } from './harness/measure.ts';

/** Throws unless every event is in the stream, once; if they are ordered, those of each aggregate by their positions. */
export async function assertEntries(
  redis: Redis,
  count: number,
  { ordered }: { readonly ordered: boolean },
): Promise<void> {
  assertCount('entries in the stream', await redis.xlen(stream), count);
  const seen = new Set<string>();
  const last = new Map<string, number>();
  let from = '-';
  for (;;) {
    const page = await redis.xrange(stream, from, '+', 'COUNT', 5_000);
    for (const [, fields] of page) {
      const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
      const [aggregate, position] = [value('aggregate_id'), Number(value('position'))];
      seen.add(value('event_id'));
      if (ordered && (last.get(aggregate) ?? 0) >= position) {
        throw new RunInvalidError(`${aggregate} is out of order at position ${position}`);
      }
      last.set(aggregate, position);
    }
    const end = page.at(-1);
    if (end === undefined) break;
    from = `(${end[0]}`;
  }
  assertCount('events in the stream', seen.size, count);
}
