import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { UnarchivableEntryError } from './errors.ts';
import { toCloudEvent } from './format/cloud-event.ts';
import { createObjectBuilder, type ObjectBuilder } from './format/object-builder.ts';
import { flawOf, hourOf } from './layout/entry-id.ts';
import type { ArchiveStore, Retention } from './store/store.ts';
import { storeObject, type WrittenObject } from './store-object.ts';

/** What to write, and into objects of which size. */
export interface WriteOptions {
  readonly stream: string;
  /**
   * Exclusive: where the entries begin. The caller says with it that the stream has, or had, nothing between this ID and
   * the first entry that is not in the archive already; `0-0` is the beginning of the stream.
   */
  readonly after: string;
  /** In order, and every one there is, from `after` on. */
  readonly entries: Iterable<StreamEntry> | AsyncIterable<StreamEntry>;
  /** An object ends before it would hold more than this, uncompressed; a single entry may be larger. 64 MiB by default. */
  readonly maxObjectBytes?: number;
  /** Locks each object. Only where the store's capabilities have `objectLock`. */
  readonly retention?: Retention;
}

const DEFAULT_OBJECT_BYTES = 64 * 1024 * 1024;

/**
 * Writes entries of one stream into objects, none of which spans two hours, and gives out each object when the store has
 * shown to hold it: from then on, the archive has everything from `after` to its `lastId`. One object at a time is held
 * in memory, compressed. Whoever stops reading stops the writing; what was given out stays.
 *
 * It can be killed anywhere and run again, from the same `after` or a later one: an object appears whole or not at
 * all, the same entries make the same object, and what already lies under a key is never replaced by other content.
 * Ranges of several runs may overlap in any way.
 * @throws UnarchivableEntryError the entries are not in order, or an ID is none; objects given out before stand.
 * @throws StoreUnavailableError, StoreRefusedError
 */
export async function* writeEntries(
  store: ArchiveStore,
  options: WriteOptions,
): AsyncGenerator<WrittenObject> {
  const { stream, entries, maxObjectBytes = DEFAULT_OBJECT_BYTES, retention } = options;
  let lastId = options.after;
  let builder: ObjectBuilder | undefined;
  const finished = async (): Promise<WrittenObject | undefined> => {
    const built = await builder?.finish();
    builder = undefined;
    return built && storeObject(store, built, retention);
  };

  try {
    for await (const entry of entries) {
      assertNext(stream, entry.id, lastId);
      const line = toCloudEvent(stream, entry);
      const isFull =
        builder !== undefined &&
        (builder.hour !== hourOf(entry.id) ||
          builder.contentBytes + Buffer.byteLength(line) + 1 > maxObjectBytes);
      const written = isFull ? await finished() : undefined;
      if (written !== undefined) yield written;
      builder ??= createObjectBuilder({ stream, after: lastId, firstId: entry.id });
      await builder.add(entry.id, line);
      lastId = entry.id;
    }
    const written = await finished();
    if (written !== undefined) yield written;
  } finally {
    builder?.discard();
  }
}

function assertNext(stream: string, id: string, lastId: string): void {
  const flaw = flawOf(id) ?? (compareEntryIds(id, lastId) > 0 ? undefined : `it comes behind ${lastId}`);
  if (flaw !== undefined) throw new UnarchivableEntryError(stream, id, flaw);
}
