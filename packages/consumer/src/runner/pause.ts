/** Waits, at most until the signal aborts. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** What the promise resolves to, or `late` after so long. The promise goes on; its rejection is the caller's if in time. */
export async function within<Result, Late>(
  promise: Promise<Result>,
  ms: number,
  late: Late,
): Promise<Result | Late> {
  const answered = new AbortController();
  try {
    return await Promise.race([promise, pause(Math.max(ms, 1), answered.signal).then(() => late)]);
  } finally {
    answered.abort();
  }
}
