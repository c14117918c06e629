import { loadRedriving, noteInjected, type RedrivingLetter, streamsRedriving } from '@event-bus/inbox';
import { traceRedrives } from './redrive-span.ts';
import type { LetterServers } from './request.ts';

const pageSize = 200;

/**
 * Brings all letters of a group that are to be handled again to its inject streams, in the order of their events, and
 * takes their copies out of the dead letters. What stands there already stays as it is, so this may be repeated at any
 * time: after a kill, and after Redis has lost what was injected. Returns how many are under way.
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
        let cursor: Awaited<ReturnType<typeof loadRedriving>>['cursor'] = null;
        do {
          const page: Awaited<ReturnType<typeof loadRedriving>> = await loadRedriving(
            snapshot,
            { group, stream },
            cursor,
            pageSize,
          );
          await injectLetters(servers, page.letters);
          count += page.letters.length;
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

function toInjection({ fields, replayId, injectId, dlqId }: RedrivingLetter) {
  return {
    fields,
    replayId,
    injectId: injectId ?? undefined,
    deadLetterId: dlqId ?? undefined,
  };
}
