import type { BusDatabase } from '@event-bus/database';
import {
  loadRedriving,
  noteInjected,
  type RedrivingCursor,
  type RedrivingLetter,
  streamsRedriving,
} from '@event-bus/inbox';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';

const pageSize = 200;

/**
 * Brings the letters of a group that are to be handled again to its inject streams, in the order of their events, and
 * takes their copies out of the dead letters. What stands there already stays as it is, so this may be repeated at any
 * time: after a kill, and after Redis has lost what was injected. Returns how many are under way.
 */
export async function injectRedriving(
  { db, mover }: { readonly db: Kysely<BusDatabase>; readonly mover: EntryMover },
  group: string,
): Promise<number> {
  let count = 0;
  for (const stream of await streamsRedriving(db, group)) {
    let cursor: RedrivingCursor | null = null;
    do {
      const page: Awaited<ReturnType<typeof loadRedriving>> = await loadRedriving(
        db,
        { group, stream },
        cursor,
        pageSize,
      );
      const ids = await mover.inject({ stream, group }, page.letters.map(toInjection));
      await noteInjected(
        db,
        page.letters.map((letter, index) => ({ ...letter, injectId: ids[index] ?? '' })),
      );
      count += page.letters.length;
      cursor = page.cursor;
    } while (cursor !== null);
  }
  return count;
}

function toInjection({ fields, replayId, injectId, dlqId }: RedrivingLetter) {
  return {
    fields,
    replayId,
    injectId: injectId ?? undefined,
    deadLetterId: dlqId ?? undefined,
  };
}
