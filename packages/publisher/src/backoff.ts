import { setTimeout as delay } from 'node:timers/promises';

const firstMs = 50;
const longestMs = 2_000;

/** Waits before attempt number `attempt + 1`: doubling, capped, with full jitter. Rejects when the signal aborts. */
export async function backoff(attempt: number, signal: AbortSignal): Promise<void> {
  const ceiling = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  await delay(firstMs / 2 + Math.random() * ceiling, undefined, { signal });
}
