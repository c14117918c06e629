/**
 * Lets one of several groups of this process handle an event with no other such event beside it: events that were in
 * hand when their process died are tried one at a time, so that the next death is the fault of one.
 */
export interface Solitude {
  /** Takes it if it is free. Otherwise `onFree` is called when it is. */
  enter(onFree: () => void): boolean;
  leave(): void;
}

/** Creates the solitude of a process. */
export function createSolitude(): Solitude {
  const waiting = new Set<() => void>();
  let taken = false;
  return {
    enter(onFree) {
      if (taken) {
        waiting.add(onFree);
        return false;
      }
      taken = true;
      return true;
    },
    leave() {
      taken = false;
      const woken = [...waiting];
      waiting.clear();
      for (const wake of woken) wake();
    },
  };
}
