/**
 * Tells events that fail for reasons of their own from those that may fail because of something that all need: whoever
 * failed, and fails again after others have succeeded, has only itself to blame, from then on. Events go by what names
 * them and not by their entries: those are others when a stream was lost and written again, and what had been given up by
 * then comes again, too.
 */
export interface Blame {
  /** An event was handled well: whatever else fails from now on, it is not everything that does. */
  succeeded(event: string): void;
  /** To be asked once for each failure of an event. `isKnown`: it was recorded to be to blame, by whoever tried it before. */
  isItsOwn(event: string, isKnown?: boolean): boolean;
}

interface Failing {
  /** How many successes there were when it failed last. */
  readonly successes: number;
  readonly isToBlame: boolean;
}

/** Of so many events is remembered that they failed; what failed longest ago is forgotten first. */
const mostRemembered = 10_000;

/** Creates a blame that knows of no failure. */
export function createBlame(): Blame {
  const failing = new Map<string, Failing>();
  let successes = 0;

  function remember(event: string, how: Failing): void {
    failing.delete(event);
    failing.set(event, how);
    const [oldest] = failing.keys();
    if (failing.size > mostRemembered && oldest !== undefined) failing.delete(oldest);
  }

  return {
    succeeded(event) {
      successes += 1;
      failing.delete(event);
    },
    isItsOwn(event, isKnown = false) {
      const last = failing.get(event);
      const isToBlame = isKnown || (last !== undefined && (last.isToBlame || successes > last.successes));
      remember(event, { successes, isToBlame });
      return isToBlame;
    },
  };
}
