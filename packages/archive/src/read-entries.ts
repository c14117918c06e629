import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { type Account, createAccount } from './account.ts';
import { describeObject } from './archived-object.ts';
import { assertRange, BEGINNING, hourOf, type IdRange } from './layout/entry-id.ts';
import { listObjects } from './list-objects.ts';
import { createMerge } from './merge.ts';
import type { ArchiveStore } from './store/store.ts';

/** Which entries to read: of one stream, IDs inclusive, by default all. */
export type ReadRange = { readonly stream: string } & Partial<IdRange>;

/** Entries in order, and how far the archive has spoken of the range. It can be read through once. */
export interface Reading extends AsyncIterable<StreamEntry> {
  /**
   * Exclusive: from here on the archive has everything. If it lies above the beginning of the range, what was before it
   * was never archived, or has expired. Known from the first entry on; null where the archive has nothing of the range.
   */
  readonly coveredFrom: string | null;
  /**
   * Inclusive: up to here the archive has everything of the range, and it was given out. What comes behind it is in the
   * stream still. Known when the entries are at their end; null where the archive has nothing of the range.
   */
  readonly coveredTo: string | null;
}

/**
 * Reads entries of a stream from its objects, in the order of their IDs. Objects may overlap: an entry that is in several
 * comes once. Two different entries of one ID, which a failover can leave behind, both come. Besides the objects that
 * overlap at one place nothing is held in memory; an object is checked whole before its first entry is given out.
 * @throws MissingObjectError between the objects of the range, and up to the next one behind it, one is missing.
 * @throws DamagedObjectError, ObjectMissingError (deleted since it was listed), UnknownFormatError
 * @throws RangeError at once: `from` or `to` is no ID.
 */
export function readEntries(store: ArchiveStore, range: ReadRange): Reading {
  const { stream, from = BEGINNING, to } = range;
  assertRange({ from, to });
  const account = createAccount(store, { stream, from });
  let isAtEnd = false;
  const knows = () => {
    const { began, reached } = account;
    const isOutside = to !== undefined && began !== null && compareEntryIds(began, to) >= 0;
    return began !== null && reached !== null && compareEntryIds(reached, from) >= 0 && !isOutside;
  };
  return {
    async *[Symbol.asyncIterator]() {
      yield* read(store, { stream, from, to }, account);
      isAtEnd = true;
    },
    get coveredFrom() {
      return knows() ? account.began : null;
    },
    get coveredTo() {
      const { reached } = account;
      if (!isAtEnd || !knows() || reached === null) return null;
      return to !== undefined && compareEntryIds(to, reached) < 0 ? to : reached;
    },
  };
}

async function* read(
  store: ArchiveStore,
  range: { readonly stream: string; readonly from: string; readonly to: string | undefined },
  account: Account,
): AsyncGenerator<StreamEntry> {
  const { stream, from, to } = range;
  const isBehind = (id: string) => to !== undefined && compareEntryIds(id, to) > 0;
  // From the beginning of the hour: objects that end before the range tell what it joins on to.
  const objects = listObjects(store, { stream, from: `${hourOf(from)}-0` });
  const merge = createMerge(store, from);
  try {
    let next = await objects.next();
    for (;;) {
      const object = next.done === true ? undefined : next.value;
      const { nextId } = merge;
      const isNext =
        object !== undefined && (nextId === undefined || compareEntryIds(object.firstId, nextId) <= 0);
      if (isNext && compareEntryIds(object.lastId, from) < 0) {
        account.add(object);
      } else if (isNext && !isBehind(object.firstId)) {
        const { after } = await merge.open(object.key);
        if (nextId === undefined) await account.follow(object, after);
        else account.add(object);
      } else if (nextId !== undefined && !isBehind(nextId)) {
        yield* await merge.take();
        continue;
      } else {
        break;
      }
      next = await objects.next();
    }
    // The first object behind the range tells whether anything is missing at its end.
    const isReached =
      to === undefined || (account.reached !== null && compareEntryIds(account.reached, to) >= 0);
    if (isReached || next.done === true) return;
    const { after } = await describeObject(store, next.value.key);
    await account.follow(next.value, after);
  } finally {
    await merge.close();
    await objects.return(undefined);
  }
}
