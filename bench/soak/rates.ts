import { backlogOf, type Sample } from './sampler.ts';

/** How much went in and out in a phase, in events per second. */
export interface Rates {
  /** Committed by the producers. */
  readonly produced: number;
  /** The group whose backlog grew most, what came to it and what it handled. */
  readonly slowest: { readonly group: string; readonly came: number; readonly handled: number };
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
  const none = { produced: 0, slowest: { group: 'none', came: 0, handled: 0 }, backlog: 0 };
  if (first === undefined || last === undefined) return none;
  const perSecond = (read: (sample: Sample) => number) => (read(last) - read(first)) / (last.at - first.at);
  const groups = Object.keys(last.waiting).map((group) => {
    const handled = perSecond((sample) => sample.handled[group] ?? 0);
    return { group, handled, came: handled + perSecond((sample) => sample.waiting[group] ?? 0) };
  });
  const [slowest = none.slowest] = groups.sort((a, b) => b.came - b.handled - (a.came - a.handled));
  return { produced: perSecond(({ committed }) => committed), slowest, backlog: backlogOf(last) };
}
