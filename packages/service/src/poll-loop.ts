import { sleep } from './sleep.ts';

/**
 * Runs something now and again, with a pause of `intervalMs` between the end of one run and the start of the
 * next, until the signal aborts. Runs never overlap. A run that rejects goes to `onError`, and the loop goes
 * on. Resolves when the signal has aborted and the last run has settled; rejects only with what `onError`
 * throws.
 */
export async function pollLoop(options: {
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Promise<void> {
  const { intervalMs, signal, run, onError } = options;
  while (!signal.aborted) {
    try {
      await run(signal);
    } catch (error) {
      onError(error);
    }
    await sleep(intervalMs, signal);
  }
}
