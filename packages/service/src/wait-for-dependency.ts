import type { Logger } from '@event-bus/telemetry';
import { backoff } from './backoff.ts';
import { withDeadline } from './deadline.ts';
import { reasonOf } from './errors.ts';
import { sleep } from './sleep.ts';

const attemptTimeoutMs = 5000;
const pause = { baseMs: 200, maxMs: 5000 };

/**
 * Resolves when the check does. Until then it is tried again and again, with a growing pause of at most five
 * seconds, and each failure is logged with its reason; an attempt without an answer counts as failed after
 * five seconds. It never gives up by itself: it rejects, with the signal's reason, only when the signal aborts.
 */
export async function waitFor(
  name: string,
  check: () => Promise<void>,
  options: {
    readonly logger: Logger;
    readonly signal: AbortSignal;
    readonly onAway?: (reason: string) => void;
  },
): Promise<void> {
  const { logger, signal, onAway } = options;
  for (let failed = 0; ; failed += 1) {
    try {
      await withDeadline(check, { timeoutMs: attemptTimeoutMs, signal });
      if (failed > 0) logger.info({ dependency: name, attempts: failed + 1 }, 'dependency reached');
      return;
    } catch (error) {
      signal.throwIfAborted();
      const retryInMs = backoff(pause, failed);
      const reason = reasonOf(error);
      logger.warn({ dependency: name, reason, attempt: failed + 1, retryInMs }, 'waiting for a dependency');
      onAway?.(reason);
      await sleep(retryInMs, signal);
    }
  }
}
