import type { BusDatabase } from '@event-bus/database';
import { type GiveUpEnd, giveUp, type Letter, noteCopies } from '@event-bus/inbox';
import type { EntryMover, GroupReader, GroupRef, PendingEntry } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { detailsOf, type GivenUpEntry, letterOf } from './letter.ts';
import type { MoverObserver } from './observer.ts';
import type { Target } from './targets.ts';

/** What moving takes. */
export interface Moving {
  readonly inbox: Kysely<BusDatabase>;
  readonly mover: EntryMover;
  readonly reader: GroupReader;
  readonly observer: MoverObserver;
}

const pageSize = 500;
const concurrency = 8;

/**
 * Goes through a whole pending list and gives up what waits for it. An entry that a slow but living handler holds is
 * renewed by its runner, and so never idle for long enough to be found.
 *
 * For each entry first one transaction settles it as dead and writes its letter, then one script moves it. Killed in
 * between, the next sweep finds the entry still pending and the letter written, and goes on from there.
 * @throws GroupMissingError the group does not exist there.
 */
export async function moveGivenUp(
  moving: Moving,
  ref: GroupRef,
  { maxDeliveries, claimIdleMs }: Target,
  signal: AbortSignal,
): Promise<void> {
  const { mover, observer } = moving;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<EntryMover['givenUp']>> = await mover.givenUp(ref, {
      minIdleMs: claimIdleMs,
      maxDeliveries,
      count: pageSize,
      cursor,
    });
    const vanished = page.entries.filter(({ fields }) => fields === null).map(({ id }) => id);
    if (vanished.length > 0 && (await mover.dropVanished(ref, vanished)) > 0)
      observer.vanished(ref, vanished);
    await moveAll(moving, ref, page.entries.filter(isThere), signal);
    cursor = page.cursor;
  } while (cursor !== null && !signal.aborted);
}

function isThere(entry: PendingEntry): entry is GivenUpEntry {
  return entry.fields !== null;
}

/** A few at a time; one that fails keeps none of the others from being moved. */
async function moveAll(
  moving: Moving,
  ref: GroupRef,
  entries: readonly GivenUpEntry[],
  signal: AbortSignal,
): Promise<void> {
  const copies: Parameters<typeof noteCopies>[1][number][] = [];
  const failures: unknown[] = [];
  const queue = entries.values();
  const work = async () => {
    for (const entry of queue) {
      if (signal.aborted) return;
      try {
        const copy = await moveOne(moving, ref, entry);
        if (copy !== undefined) copies.push(copy);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  await noteCopies(moving.inbox, copies);
  if (failures.length > 0) {
    throw new AggregateError(
      failures,
      `${failures.length} of ${entries.length} entries could not be given up`,
    );
  }
}

/** PostgreSQL refuses a value: no such time, a NUL, too long for an index. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(22|23|54)/.test(String(error.code));
}

async function giveUpSomehow(
  { inbox }: Moving,
  ref: GroupRef,
  entry: GivenUpEntry,
  now: number,
): Promise<{ readonly letter: Letter; readonly end: GiveUpEnd }> {
  const letter = letterOf(ref, entry, now);
  try {
    return { letter, end: await giveUp(inbox, letter) };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const fitting = letterOf(ref, entry, now, true);
    return { letter: fitting, end: await giveUp(inbox, fitting) };
  }
}

async function moveOne(moving: Moving, ref: GroupRef, entry: GivenUpEntry) {
  const { mover, reader, observer } = moving;
  const now = Date.now();
  const { letter, end } = await giveUpSomehow(moving, ref, entry, now);
  const name = { id: entry.id, eventId: entry.fields.event_id ?? '' };
  switch (end) {
    case 'busy':
      // Somebody is just handling it, or giving it up.
      return undefined;
    case 'settled':
      await reader.acknowledge(ref, [name]);
      return undefined;
    case 'dead': {
      const details = detailsOf({
        ...letter,
        firstDeliveredAt: new Date(letter.firstDeliveredAt),
        deadAt: new Date(now),
      });
      const dlqId = await mover.deadLetter(ref, name, details);
      if (dlqId === null) return undefined;
      observer.deadLettered(ref, letter, dlqId);
      return { ...letter, dlqId };
    }
  }
}
