import {
  findFree,
  loadUninjected,
  noteInjected,
  type RedrivingLetter,
  streamsRedriving,
} from '@event-bus/inbox';
import { addableFields } from '@event-bus/transport';
import { traceRedrives } from './redrive-span.ts';
import type { LetterServers } from './request.ts';

const pageSize = 200;

/**
 * Brings the letters of a group that are to be handled again to its inject streams, in the order of their events, and
 * takes their copies out of the dead letters. Those that are known to have been brought there are left alone. May be
 * repeated at any time: what a kill left unnoted is injected twice, which the inbox absorbs. Returns how many it injected.
 */
export async function injectRedriving(servers: LetterServers, group: string): Promise<number> {
  let count = 0;
  for (const stream of await streamsRedriving(servers.db, group)) {
    // All pages are of one moment: a letter that is marked meanwhile, with later ones of its aggregate, must not be
    // passed over while those are met on a page to come.
    await servers.db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (snapshot) => {
        let cursor: Awaited<ReturnType<typeof loadUninjected>>['cursor'] = null;
        do {
          const page: Awaited<ReturnType<typeof loadUninjected>> = await loadUninjected(
            snapshot,
            { group, stream },
            cursor,
            pageSize,
          );
          const free = await findFree(servers.db, page.letters);
          await injectLetters(servers, free);
          count += free.length;
          cursor = page.cursor;
        } while (cursor !== null);
      });
  }
  return count;
}

/** The same for these letters, in the order in which they are given. */
export async function injectLetters(
  { db, mover }: LetterServers,
  letters: readonly RedrivingLetter[],
): Promise<void> {
  for (const own of Map.groupBy(letters, ({ group, stream }) => `${group} ${stream}`).values()) {
    const [first] = own;
    if (first === undefined) continue;
    const beganAt = Date.now();
    const ids = await mover.inject({ stream: first.stream, group: first.group }, own.map(toInjection));
    await noteInjected(
      db,
      own.map((letter, index) => ({ ...letter, injectId: ids[index] ?? '' })),
    );
    traceRedrives(own, beganAt);
  }
}

function toInjection({ eventId, occurredAt, fields, replayId, dlqId }: RedrivingLetter) {
  // A foreign entry that is no event got a key when it was given up: without it, it would become another letter when it
  // fails again, and this one never end.
  const isEvent = fields.event_id?.toLowerCase() === eventId;
  const key = isEvent ? {} : { event_id: eventId, occurred_at: occurredAt };
  return {
    fields: { ...addableFields(fields), ...key },
    replayId,
    deadLetterId: dlqId ?? undefined,
  };
}
