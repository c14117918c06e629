/** Which keys may start something, in the order of their turns, and which wait for a time. */
export interface Turns {
  /** The head of the key is due at this time; `undefined`: nothing of it is to start. A ready key keeps its turn. */
  file(key: string, dueAt: number | undefined): void;
  /** Moves keys whose time has come to the ready ones. */
  wake(now: number): void;
  /** Keys that may start, the longest waiting first. */
  ready(): ReadonlySet<string>;
  /** When the next key that waits is due, or a little before. `undefined` if none waits. */
  nextDueAt(): number | undefined;
}

/** Creates turns without keys. */
export function createTurns(): Turns {
  const ready = new Set<string>();
  const waiting = new Map<string, number>();
  let next = Number.POSITIVE_INFINITY;
  return {
    file(key, dueAt) {
      waiting.delete(key);
      if (dueAt === undefined) ready.delete(key);
      else if (dueAt <= 0) ready.add(key);
      else {
        ready.delete(key);
        waiting.set(key, dueAt);
        next = Math.min(next, dueAt);
      }
    },
    wake(now) {
      if (now < next) return;
      next = Number.POSITIVE_INFINITY;
      for (const [key, dueAt] of waiting) {
        if (dueAt <= now) {
          waiting.delete(key);
          ready.add(key);
        } else {
          next = Math.min(next, dueAt);
        }
      }
    },
    ready: () => ready,
    nextDueAt: () => (waiting.size === 0 ? undefined : next),
  };
}
