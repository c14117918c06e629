/**
 * Wakes loops that wait for something to change. It remembers nothing: look at what may have changed, and wait
 * without awaiting anything between.
 */
export interface Bell {
  /** Wakes all that wait now. */
  ring(): void;
  /** Until it rings, the time is up or the signal aborts. Never rejects. */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<void>;
}

/** Creates a bell. */
export function createBell(): Bell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      for (const wake of waiting) wake();
    },
    wait(timeoutMs, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.max(timeoutMs, 0));
        waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    },
  };
}
