import { countOpenLetters, type LetterPlace, type OpenLetters, releaseHeld } from '@event-bus/inbox';
import { injectRedriving } from '@event-bus/operations';
import { type CopyParts, restoreCopies, sortOutCopies } from './copies.ts';
import { findLostRedrives } from './redrives.ts';
import { sideBySide } from './side-by-side.ts';
import type { Target } from './targets.ts';

/** How often what counts do not show is looked for: an entry that was replaced by hand, say. In looks. */
const thoroughEvery = 30;
const checksAtATime = 2;

/**
 * Creates the repair of one mover. Each look brings what stands in Redis in line with the letters in PostgreSQL, which
 * are the truth. As long as the counts agree a look costs a statement and a command or two for each place with open
 * letters; every thirtieth asks for each letter by its ID.
 *
 *     letters                          Redis                              what is done
 *     held, the blocker open no more   -                                  to be handled again
 *     redriving, not injected          -                                  injected
 *     redriving, injected              not among what is injected         injected again
 *     dead, without a copy             a copy that no letter knows        assigned to each other
 *     dead                             no copy                            written again
 *     not dead, or dead once           a copy, or one too many            deleted
 */
export function createRepair(
  parts: CopyParts,
  findTargets: () => Promise<Target[]>,
): (signal: AbortSignal) => Promise<void> {
  const { inbox, mover, observer } = parts;
  /** Places whose copies differed at the last look: what is just being moved differs for a moment. */
  let suspects = new Set<string>();
  /** Places to look at again, though no letter there may be open any more: copies may be left. */
  let lately: readonly LetterPlace[] = [];
  let looks = 0;

  async function hasOddCopies(
    place: OpenLetters,
    isThorough: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { dead, copied, uncopied } = place;
    const length = await mover.deadLetterCount(place);
    const isOdd = length > dead || length < copied || uncopied > 0;
    const isSuspect = isOdd && suspects.has(nameOf(place));
    if (isSuspect) await sortOutCopies(parts, place, signal);
    // Copies that nobody has noted yet must not be written a second time: they are sorted out first.
    if (isSuspect || (isThorough && !isOdd && dead > 0)) await restoreCopies(parts, place, signal);
    return isOdd;
  }

  async function checkRedrives(place: OpenLetters, isThorough: boolean, signal: AbortSignal): Promise<void> {
    const { redriving, uninjected } = place;
    if (redriving === 0) return;
    const isLost = (await mover.injectedCount(place)) < redriving - uninjected;
    if (isLost || isThorough) await findLostRedrives(parts, place, signal);
    const injected = await injectRedriving({ db: inbox, mover }, place.group);
    if (injected > 0) observer.injected(place, injected);
  }

  return async (signal) => {
    const isThorough = looks % thoroughEvery === 0;
    looks += 1;
    for (const { group, letters } of await releaseHeld(inbox)) observer.released(group, letters);
    const others = isThorough ? [...lately, ...placesOf(await findTargets())] : lately;
    const places = withOthers(await countOpenLetters(inbox), others);
    const odd = new Set<string>();
    const checks = places.flatMap((place) => [
      async () => {
        if (await hasOddCopies(place, isThorough, signal)) odd.add(nameOf(place));
      },
      () => checkRedrives(place, isThorough, signal),
    ]);
    try {
      await sideBySide('of the checks', checks, { atATime: checksAtATime }, async (check) => {
        if (!signal.aborted) await check();
      });
    } finally {
      suspects = odd;
      lately = places.filter((place) => place.dead > 0 || odd.has(nameOf(place)));
    }
  };
}

function placesOf(targets: readonly Target[]): LetterPlace[] {
  return targets.flatMap(({ group, streams }) => streams.map((stream) => ({ group, stream })));
}

/** The places, and those of the others that are not among them, where no letter is open. */
function withOthers(open: readonly OpenLetters[], others: readonly LetterPlace[]): OpenLetters[] {
  const none = { dead: 0, copied: 0, uncopied: 0, redriving: 0, uninjected: 0 };
  const all = [...others.map(({ group, stream }) => ({ group, stream, ...none })), ...open];
  return [...new Map(all.map((place) => [nameOf(place), place])).values()];
}

function nameOf({ stream, group }: LetterPlace): string {
  return `${stream} ${group}`;
}
