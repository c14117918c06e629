import type { StreamEntry } from '@event-bus/transport';
import { nextId } from './entry-id.ts';
import type { Leader } from './leader.ts';

const firstCount = 4;
const mostCount = 500;

/**
 * Entries of a stream behind one ID up to another, in order. How many are asked for at a time follows from how large they
 * are: a reply of many large ones might never arrive in time.
 * @param behind exclusive; `-` for the beginning.
 * @param to inclusive.
 */
export async function* entriesBetween(
  { writer, settings }: Leader,
  stream: string,
  behind: string,
  to: string,
): AsyncGenerator<StreamEntry> {
  let from = behind === '-' ? behind : nextId(behind);
  for (let count = firstCount; ; ) {
    const entries = await writer.range(stream, from, to, count);
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined || entries.length < count) return;
    from = nextId(last.id);
    const bytes = entries.reduce((sum, { fields }) => sum + (fields.payload?.length ?? 0), 0);
    count = bytes > settings.pageBytes / 2 ? Math.ceil(count / 2) : Math.min(mostCount, count * 2);
  }
}
