import type { Logger } from '@event-bus/telemetry';

/**
 * Follows one activity through its outages: logs the begin and the end of each and now and again that it lasts, and
 * paces the tries between.
 */
export interface Outage {
  /**
   * A try failed. Returns how long to wait before the next: longer each time up to `maxDelayMs`, with jitter. `about` is
   * logged with the error: what was tried.
   */
  failed(error: unknown, about?: object): number;
  /** A try succeeded. */
  recovered(): void;
}

const firstDelayMs = 100;
const maxDelayMs = 5_000;
const logEveryMs = 60_000;

/** Creates the follower of something that `what` names for people: "reading from Redis". */
export function createOutage(what: string, logger: Logger): Outage {
  let failures = 0;
  let since = 0;
  let loggedAt = 0;
  return {
    failed(error, about = {}) {
      const now = Date.now();
      if (failures === 0) {
        since = now;
        loggedAt = now;
        logger.warn({ ...about, err: error }, `${what} fails; it is tried again until it succeeds`);
      } else if (now - loggedAt >= logEveryMs) {
        loggedAt = now;
        logger.error({ ...about, err: error, failures, outageMs: now - since }, `${what} still fails`);
      }
      failures += 1;
      const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(failures - 1, 16));
      return delayMs * (0.5 + Math.random() / 2);
    },
    recovered() {
      if (failures === 0) return;
      logger.info({ failures, outageMs: Date.now() - since }, `${what} succeeds again`);
      failures = 0;
    },
  };
}
