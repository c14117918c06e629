import { compareEntryIds } from '@event-bus/transport';
import { describeObject } from './archived-object.ts';
import { MissingObjectError } from './errors.ts';
import { type ArchivedObject, listObjects } from './list-objects.ts';
import type { ArchiveStore } from './store/store.ts';

/**
 * How far objects account for a stream, gone through in order. Each accounts for everything behind its `after`, up to its
 * last entry: an object that overlaps with none before it may not begin behind where those before it have ended.
 */
export interface Account {
  /** Exclusive: where it begins; null before the first object of the range. */
  readonly began: string | null;
  /** Inclusive: up to where it goes without a gap; null before the first object. */
  readonly reached: string | null;
  /**
   * Counts an object that overlaps with none before it.
   * @throws MissingObjectError something between them is missing, and it lies in the range.
   */
  follow(object: ArchivedObject, after: string): Promise<void>;
  /** Counts an object that overlaps with one before it, or ends before the range. */
  add(object: ArchivedObject): void;
}

/** An account of a stream from an entry on. */
export function createAccount(
  store: ArchiveStore,
  { stream, from }: { readonly stream: string; readonly from: string },
): Account {
  let began: string | null = null;
  let reached: string | null = null;
  const add = ({ lastId }: ArchivedObject) => {
    if (reached === null || compareEntryIds(lastId, reached) > 0) reached = lastId;
  };
  return {
    get began() {
      return began;
    },
    get reached() {
      return reached;
    },
    add,
    async follow(object, after) {
      const floor = reached;
      const beginning = await beginningOf(store, object, { after, wanted: floor ?? from });
      const isJoined = floor !== null && compareEntryIds(beginning, floor) <= 0;
      if (floor !== null && !isJoined && compareEntryIds(beginning, from) >= 0) {
        const gap = { stream, after: floor, upTo: beginning, nextKey: object.key };
        throw new MissingObjectError(store.location, gap);
      }
      began ??= isJoined ? floor : beginning;
      add(object);
    },
  };
}

/**
 * Behind which entry an object, and those that overlap with it, account for everything. The others are looked at only if
 * the object does not reach back as far as is wanted: one that begins with a later entry can reach back further, if
 * entries were deleted from the stream between two runs.
 */
export async function beginningOf(
  store: ArchiveStore,
  object: ArchivedObject,
  { after, wanted }: { readonly after: string; readonly wanted: string },
): Promise<string> {
  let beginning = after;
  if (compareEntryIds(after, wanted) <= 0) return after;
  for await (const other of listObjects(store, { stream: object.stream, from: wanted, to: object.lastId })) {
    const description = await describeObject(store, other.key);
    const reachesFurther = compareEntryIds(description.after, beginning) < 0;
    if (reachesFurther && compareEntryIds(description.lastId, object.firstId) >= 0)
      beginning = description.after;
  }
  return beginning;
}
