import type { BusDatabase } from '@event-bus/database';
import { type Letter, noteCopies } from '@event-bus/inbox';
import {
  addableFields,
  CommandRejectedError,
  type EntryMover,
  type EntryName,
  type GroupReader,
  type GroupRef,
  type PendingEntry,
} from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { type GivenUp, giveUpEntry, giveUpTogether, isUnstorable } from './give-up-entry.ts';
import { detailsOf, type GivenUpEntry } from './letter.ts';
import type { MoverObserver } from './observer.ts';
import { sideBySide } from './side-by-side.ts';
import type { Target } from './targets.ts';

/** What moving takes. */
export interface Moving {
  readonly inbox: Kysely<BusDatabase>;
  readonly mover: EntryMover;
  readonly reader: GroupReader;
  readonly observer: MoverObserver;
}

type Copy = Parameters<typeof noteCopies>[1][number];
type Page = Awaited<ReturnType<EntryMover['givenUp']>>;

const pageSize = 500;
const entriesAtATime = 8;
/** So many are settled by one statement. */
const heapSize = 50;
/** One place with very much to give up must not keep the others waiting. */
const longestMs = 5_000;

/** How far the search of a pending list is: it goes on behind this entry, or at the beginning. */
export interface Search {
  cursor: string | null;
}

/**
 * Goes through a pending list and gives up what waits for it. What a runner has given up was handed back, and has been
 * idle since 1970; an entry that a slow but living handler holds is renewed by its runner, and so never idle for long
 * enough to be found.
 *
 * For each entry first one statement, which it shares with others, settles it as dead and writes its letter, then one
 * script moves it. Killed in between, the next sweep finds the entry still pending and the letter written, and goes on from there.
 *
 * A list that is too long for one turn, or of which something fails, is searched further at the next one: what stands
 * behind that comes to its turn all the same.
 * @throws GroupMissingError the group does not exist there.
 */
export async function moveGivenUp(
  moving: Moving,
  ref: GroupRef,
  { maxDeliveries, claimIdleMs }: Target,
  { search, signal }: { readonly search: Search; readonly signal: AbortSignal },
): Promise<void> {
  const { mover, observer } = moving;
  const beganAt = performance.now();
  do {
    const page: Page = await mover.givenUp(ref, {
      minIdleMs: claimIdleMs,
      maxDeliveries,
      count: pageSize,
      cursor: search.cursor,
    });
    search.cursor = page.cursor;
    const vanished = page.entries.filter(({ fields }) => fields === null).map(({ id }) => id);
    const dropped = vanished.length === 0 ? 0 : await mover.dropVanished(ref, vanished);
    if (dropped > 0) observer.vanished(ref, vanished, dropped);
    await movePage(moving, ref, page.entries.filter(isThere), { search, signal });
  } while (search.cursor !== null && !signal.aborted && performance.now() - beganAt < longestMs);
}

function isThere(entry: PendingEntry): entry is GivenUpEntry {
  return entry.fields !== null;
}

/** A server says that it will never take this: what is said of one entry holds for no other. */
function isOfEntry(error: unknown): boolean {
  return error instanceof CommandRejectedError || isUnstorable(error);
}

/**
 * Entries that cannot be moved, whatever the reason, keep none of the others from it. When one after the other fails, a
 * server seems to be away: the search is to go on behind them at the next turn.
 */
async function movePage(
  moving: Moving,
  ref: GroupRef,
  entries: readonly GivenUpEntry[],
  { search, signal }: { readonly search: Search; readonly signal: AbortSignal },
): Promise<void> {
  const copies: Copy[] = [];
  const stuck: string[] = [];
  let reason: unknown;
  let failuresInARow = 0;
  let lastTried: string | null = null;
  const heaps = new Map<number, ReturnType<typeof giveUpTogether>>();
  const heapOf = (n: number) => {
    const from = n - (n % heapSize);
    const heap =
      heaps.get(from) ?? giveUpTogether(moving.inbox, ref, entries.slice(from, from + heapSize), Date.now());
    heaps.set(from, heap);
    return heap;
  };
  try {
    await sideBySide('of the entries', entries.entries(), { atATime: entriesAtATime }, async ([n, entry]) => {
      if (failuresInARow >= entriesAtATime || signal.aborted) return;
      lastTried = entry.id;
      try {
        const copy = await moveOne(moving, ref, entry, (await heapOf(n))?.[n % heapSize]);
        failuresInARow = 0;
        if (copy !== undefined) copies.push(copy);
      } catch (error) {
        if (!isOfEntry(error)) {
          failuresInARow += 1;
          throw error;
        }
        stuck.push(entry.id);
        reason ??= error;
      }
    });
  } finally {
    if (failuresInARow >= entriesAtATime) search.cursor = lastTried;
    await noteCopies(moving.inbox, copies);
    if (stuck.length > 0) moving.observer.stuck(ref, stuck, reason);
  }
}

async function moveOne(
  moving: Moving,
  ref: GroupRef,
  entry: GivenUpEntry,
  givenUp: GivenUp | undefined,
): Promise<Copy | undefined> {
  const { inbox, reader, observer } = moving;
  const beganAt = Date.now();
  const { letter, end } = givenUp ?? (await giveUpEntry(inbox, ref, entry, beganAt));
  const name = { id: entry.id, eventId: entry.fields.event_id ?? '' };
  switch (end) {
    case 'busy':
      // Somebody is just handling it, or giving it up.
      return undefined;
    case 'settled':
      await reader.acknowledge(ref, [name]);
      return undefined;
    case 'dead': {
      const dlqId = await moveDead(moving, ref, name, letter);
      if (dlqId === null) return undefined;
      observer.deadLettered(ref, letter, { dlqId, beganAt });
      return { ...letter, dlqId };
    }
  }
}

/**
 * Moves an entry whose letter is written. A script cannot copy thousands of fields: then a brief copy is written, and the
 * entry acknowledged after it. Killed in between, it is copied twice, and the copy too many is found.
 */
async function moveDead(
  { mover, reader }: Moving,
  ref: GroupRef,
  name: EntryName,
  letter: Letter,
): Promise<string | null> {
  const details = detailsOf({
    ...letter,
    firstDeliveredAt: new Date(letter.firstDeliveredAt),
    deadAt: new Date(),
  });
  try {
    return await mover.deadLetter(ref, name, details);
  } catch (error) {
    if (!(error instanceof CommandRejectedError)) throw error;
    const [dlqId = null] = await mover.restore(ref, [{ fields: addableFields(letter.fields), details }]);
    await reader.acknowledge(ref, [name]);
    return dlqId;
  }
}
