import { sleep } from '@event-bus/service';

/** Keeps to a rate of events per second. */
export interface Pacer {
  /** So many events may be injected together: more would be a burst. */
  readonly burst: number;
  /** Waits until the next `count` may be injected, or the signal aborts. */
  wait(count: number, signal: AbortSignal): Promise<void>;
}

const BURST_MS = 200;
const LARGEST_BURST = 200;

/** Creates a pacer; without a rate it never waits. */
export function createPacer(perSecond: number | null): Pacer {
  if (perSecond === null) return { burst: LARGEST_BURST, wait: async () => undefined };
  let freeAt = 0;
  return {
    burst: Math.max(1, Math.min(LARGEST_BURST, Math.floor((perSecond * BURST_MS) / 1_000))),
    async wait(count, signal) {
      const beginAt = Math.max(performance.now(), freeAt);
      freeAt = beginAt + (count / perSecond) * 1_000;
      await sleep(beginAt - performance.now(), signal);
    },
  };
}
