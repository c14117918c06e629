import { errorText } from '@event-bus/telemetry';
import { type Duration, parseDuration } from './duration.ts';

/**
 * How long to wait after attempt `attempt` (1 for the first) before the next, in milliseconds: a finite number, 0 or more.
 * `random` is uniform in [0, 1). It is asked about every attempt already when its consumer is defined.
 */
export type Backoff = (attempt: number, random?: () => number) => number;

/** How often an event is tried, and when. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly backoff: Backoff;
}

/**
 * A delay that starts at `initial`, is multiplied by `factor` (default 2) with every attempt and never exceeds
 * `max` (default `5m`). The share `jitter` (0 to 1, default 0.5) of it is random, so that events that failed together
 * don't return together: with 0.5, the delay lies between half of it and all of it.
 * @throws RangeError for durations or numbers that cannot be used.
 */
export function exponential(
  initial: Duration,
  options: { readonly max?: Duration; readonly factor?: number; readonly jitter?: number } = {},
): Backoff {
  const { max = '5m', factor = 2, jitter = 0.5 } = options;
  const initialMs = durationMs('initial', initial);
  const maxMs = durationMs('max', max);
  if (maxMs < initialMs)
    throw new RangeError(`exponential: max (${max}) is shorter than initial (${initial})`);
  if (!(factor >= 1 && Number.isFinite(factor))) {
    throw new RangeError(`exponential: factor must be 1 or more, not ${factor}`);
  }
  if (!(jitter >= 0 && jitter <= 1))
    throw new RangeError(`exponential: jitter must be from 0 to 1, not ${jitter}`);
  return (attempt, random = Math.random) => {
    const delayMs = Math.min(maxMs, initialMs * factor ** (attempt - 1));
    return Math.round(delayMs * (1 - jitter * random()));
  };
}

/** What holds where a consumer states nothing. */
export const defaultRetry: RetryPolicy = { maxAttempts: 5, backoff: exponential('1s', { max: '5m' }) };

/**
 * The delay that a backoff gives after an attempt, or what is wrong with it. Never throws: a backoff is code of the
 * application's, and may do anything.
 */
export function delayAfter(
  attempt: number,
  backoff: Backoff,
): { readonly delayMs: number } | { readonly fault: string } {
  try {
    const delayMs: unknown = backoff(attempt);
    return typeof delayMs === 'number' && Number.isFinite(delayMs) && delayMs >= 0
      ? { delayMs }
      : {
          fault: `must give a number of milliseconds, 0 or more, and gives ${errorText(delayMs)} after attempt ${attempt}`,
        };
  } catch (error) {
    return { fault: `must not throw, and throws after attempt ${attempt}: ${errorText(error)}` };
  }
}

function durationMs(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0) {
    throw new RangeError(
      `exponential: ${name} must be a duration such as "1s" or "5m", not ${JSON.stringify(text)}`,
    );
  }
  return ms;
}
