/** How a wait ended: the promise was fulfilled, the time was up, or the signal aborted. */
export type Waited<Value> =
  | { readonly kind: 'fulfilled'; readonly value: Value }
  | { readonly kind: 'late' }
  | { readonly kind: 'aborted' };

/** Waits for a promise, but only so long. Rejects as it does; a rejection that comes later is nobody's. */
export function within<Value>(
  promise: Promise<Value>,
  limitMs: number,
  signal?: AbortSignal,
): Promise<Waited<Value>> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const abort = () => end(() => resolve({ kind: 'aborted' }));
    const timer = setTimeout(() => end(() => resolve({ kind: 'late' })), limitMs);
    signal?.addEventListener('abort', abort, { once: true });
    promise.then(
      (value) => end(() => resolve({ kind: 'fulfilled', value })),
      (error: unknown) => end(() => reject(error)),
    );
    if (signal?.aborted === true) abort();
  });
}
