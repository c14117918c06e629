// A Node.js timer cannot wait longer than this: it would fire at once.
const longestTimerMs = 2 ** 31 - 1;

/** Resolves after the time, or as soon as the signal aborts; never rejects. At most some 24 days. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const finish = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
    resolve();
  };
  const timer = setTimeout(finish, Math.min(ms, longestTimerMs));
  signal.addEventListener('abort', finish);
  return promise;
}
