import { NoAnswerError } from './errors.ts';

/**
 * What `run` gives, unless that takes longer than `timeoutMs` or the signal aborts first: then it rejects.
 * `run` itself is not cancelled, its late result is dropped.
 */
export async function withDeadline<Result>(
  run: () => Promise<Result>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Result> {
  const { timeoutMs, signal } = options;
  signal?.throwIfAborted();
  const { promise: end, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NoAnswerError(timeoutMs)), timeoutMs);
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    return await Promise.race([run(), end]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
