import { compareEntryIds } from '@event-bus/transport';
import { assertRange, type IdRange } from './layout/entry-id.ts';
import { hourPrefix, type ObjectRange, parseKey, streamOf, streamPrefix } from './layout/object-key.ts';
import type { ArchiveStore } from './store/store.ts';

/** An object as its key and the list of its store show it. */
export interface ArchivedObject extends ObjectRange {
  readonly key: string;
  /** The beginning of the hour of all its entries. */
  readonly hour: Date;
  readonly sizeBytes: number;
}

/**
 * The objects of a stream that hold entries of a range (IDs, both inclusive; by default everything), in the order of
 * their first entries. Nothing but the list of the store is read, and what is no object of an archive is passed over.
 * @throws RangeError `from` or `to` is no ID.
 */
export async function* listObjects(
  store: ArchiveStore,
  range: { readonly stream: string } & Partial<IdRange>,
): AsyncGenerator<ArchivedObject> {
  const { stream, from, to } = range;
  assertRange({ from, to });
  // An object lies within one hour, so none before this can reach into the range.
  const after = from === undefined ? {} : { after: hourPrefix(stream, from) };
  for await (const { key, sizeBytes } of store.list({ prefix: streamPrefix(stream), ...after })) {
    const parsed = parseKey(key);
    if (parsed === undefined) continue;
    const { firstId, lastId, hour } = parsed;
    if (to !== undefined && compareEntryIds(firstId, to) > 0) return;
    if (from !== undefined && compareEntryIds(lastId, from) < 0) continue;
    yield { key, stream, firstId, lastId, hour, sizeBytes };
  }
}

/** The streams of which there is anything in the archive, by one short list each; in the order of their keys. */
export async function* listStreams(store: ArchiveStore): AsyncGenerator<string> {
  let after = 'stream=';
  for (;;) {
    const first = await firstKey(store, after);
    if (first === undefined) return;
    const stream = streamOf(first);
    if (stream !== undefined) yield stream;
    // Behind everything that begins like this: "0" comes after "/".
    after = `${first.slice(0, first.indexOf('/'))}0`;
  }
}

async function firstKey(store: ArchiveStore, after: string): Promise<string | undefined> {
  for await (const { key } of store.list({ prefix: 'stream=', after })) if (key.includes('/')) return key;
  return undefined;
}
