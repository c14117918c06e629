import { backlogOf, type Sample } from './sampler.ts';

/** How much went in and out in a phase. */
export interface Rates {
  /** Events per second. */
  readonly produced: number;
  readonly handled: number;
  /** Events that waited for the slowest group at its end. */
  readonly backlog: number;
}

/** Producers at several times what the groups handle, and how that was caught up with. */
export interface Overload extends Rates {
  readonly seconds: number;
  /** From the last commit until every group had handled everything. */
  readonly drainSeconds: number;
}

/** Those of a phase. Its first fifth does not count: it is for producers that have just started. */
export function ratesOf(phase: readonly Sample[]): Rates {
  const [first, last] = [phase[Math.floor(phase.length / 5)], phase.at(-1)];
  if (first === undefined || last === undefined) return { produced: 0, handled: 0, backlog: 0 };
  const seconds = last.at - first.at;
  const produced = last.committed - first.committed;
  return {
    produced: produced / seconds,
    handled: (produced - (backlogOf(last) - backlogOf(first))) / seconds,
    backlog: backlogOf(last),
  };
}
