import { GroupMissingError, type GroupRef, placeKey } from '@event-bus/transport';
import { type Moving, moveGivenUp, type Search } from './move.ts';
import { sideBySide } from './side-by-side.ts';
import type { Target } from './targets.ts';

const placesAtATime = 4;
/** A group that was missing somewhere is not looked for there again at once: most groups read few of the streams. */
const missingForMs = 10_000;

/**
 * Creates the sweep of one mover: it looks through the pending lists of all its groups, in both places of each, and
 * gives up what waits for it. Any number of movers may sweep at a time. What fails at one place keeps no other from
 * being looked after.
 */
export function createSweep(
  moving: Moving,
  findTargets: () => Promise<Target[]>,
): (signal: AbortSignal) => Promise<void> {
  const { observer } = moving;
  const missingUntil = new Map<string, number>();
  const searches = new Map<string, Search>();

  function searchOf(name: string): Search {
    const search = searches.get(name) ?? { cursor: null };
    searches.set(name, search);
    return search;
  }

  async function sweepPlace(ref: GroupRef, target: Target, signal: AbortSignal): Promise<void> {
    const name = `${placeKey(ref)} ${ref.group}`;
    if (signal.aborted || performance.now() < (missingUntil.get(name) ?? 0)) return;
    try {
      await moveGivenUp(moving, ref, target, { search: searchOf(name), signal });
    } catch (error) {
      if (!(error instanceof GroupMissingError)) throw error;
      missingUntil.set(name, performance.now() + missingForMs);
    }
  }

  return async (signal) => {
    const beganAt = performance.now();
    const places = (await findTargets()).flatMap((target) =>
      placesOf(target).map((ref) => ({ ref, target })),
    );
    try {
      await sideBySide('of the places', places, { atATime: placesAtATime }, ({ ref, target }) =>
        sweepPlace(ref, target, signal),
      );
    } finally {
      observer.swept(performance.now() - beganAt);
    }
  };
}

function placesOf({ group, streams }: Target): GroupRef[] {
  return streams.flatMap((stream): GroupRef[] => [
    { stream, group },
    { stream, group, injected: true },
  ]);
}
