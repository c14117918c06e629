import { compareEntryIds } from '@event-bus/transport';
import { beginningOf } from './account.ts';
import { describeObject } from './archived-object.ts';
import { type ArchivedObject, listObjects } from './list-objects.ts';
import type { ArchiveStore } from './store/store.ts';

/** How far the archive has a stream without a gap. */
export interface Coverage {
  /** Inclusive: everything behind the ID that was asked about, up to here, is in the archive. */
  readonly upTo: string;
  /** The object behind the gap that ends it; null if there is none. */
  readonly nextObject: ArchivedObject | null;
}

/**
 * How far objects account for everything of the stream behind an entry ID, such as that up to which the stream was
 * trimmed. The next run of an archiver begins there. Reads the list of the store, and the first bytes of each object
 * that ends behind the ID.
 * @throws DamagedObjectError, UnknownFormatError
 */
export async function findCoverage(
  store: ArchiveStore,
  { stream, after }: { readonly stream: string; readonly after: string },
): Promise<Coverage> {
  let upTo = after;
  for await (const object of listObjects(store, { stream, from: after })) {
    if (compareEntryIds(object.lastId, upTo) <= 0) continue;
    const description = await describeObject(store, object.key);
    const beginning = await beginningOf(store, object, { after: description.after, wanted: upTo });
    if (compareEntryIds(beginning, upTo) > 0) return { upTo, nextObject: object };
    upTo = object.lastId;
  }
  return { upTo, nextObject: null };
}
