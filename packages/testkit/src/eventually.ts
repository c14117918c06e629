import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

/** How long and how often {@link eventually} asks. */
export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  /** What was waited for, for the error. */
  readonly message?: string;
}

/** The condition did not come true in time; `cause` is what the last check threw, if it threw. */
export class NeverHappenedError extends Error {
  readonly code = 'never_happened';
}

type Attempt<Result> = { readonly value: Result } | { readonly failure: unknown };

async function attempt<Result>(check: () => Result | Promise<Result>): Promise<Attempt<Result>> {
  try {
    return { value: await check() };
  } catch (failure) {
    return { failure };
  }
}

/**
 * Repeats the check until it returns something other than `false` and `undefined` without throwing, and returns
 * that. A check that only asserts has to say so by returning `true`: its type refuses a check that returns nothing.
 * Rejects with {@link NeverHappenedError}, which carries the last failure, when the time is up, also when a check
 * has not settled by then.
 */
export async function eventually<Result extends NonNullable<unknown> | null | undefined>(
  check: () => Result | Promise<Result>,
  { timeoutMs = 50_000, intervalMs = 20, message = 'the condition to hold' }: EventuallyOptions = {},
): Promise<Exclude<Result, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  const ended = new AbortController();
  const timeUp = delay(timeoutMs, 'time-up' as const, { signal: ended.signal });
  let last = 'the first check has not settled';
  let cause: unknown;

  try {
    while (true) {
      const result = await Promise.race([attempt(check), timeUp]);
      if (result === 'time-up') break;
      if ('failure' in result) {
        cause = result.failure;
        last = cause instanceof Error ? cause.message : inspect(cause);
      } else if (result.value !== false && result.value !== undefined) {
        return result.value as Exclude<Result, false | undefined>;
      } else {
        cause = undefined;
        last = `the check returned ${inspect(result.value)}`;
      }
      if (performance.now() + intervalMs >= deadline) break;
      await delay(intervalMs);
    }
  } finally {
    ended.abort();
    timeUp.catch(() => 'aborted: nobody waits for it any more');
  }
  throw new NeverHappenedError(`Waited ${timeoutMs} ms for ${message}. Last: ${last}`, { cause });
}
