/**
 * How long to wait before the next attempt, in ms: anything between 0 and `baseMs` doubled with each failed
 * attempt (`attempt` counts from 0), but at most `maxMs`. The whole range is random, so that many who failed
 * together do not come back together.
 */
export function backoff(
  limits: { readonly baseMs: number; readonly maxMs: number },
  attempt: number,
  random: () => number = Math.random,
): number {
  return Math.floor(random() * Math.min(limits.maxMs, limits.baseMs * 2 ** attempt));
}
