import { HandlerTimeoutError } from '../errors.ts';
import type { HandlerResult } from '../handler.ts';
import type { Gate } from './gate.ts';
import { within } from './within.ts';

/** How a handler ended. In every case its gate is closed. */
export type HandlerEnd =
  /** It returned, and all its statements have been answered. */
  | { readonly kind: 'returned'; readonly result: HandlerResult }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** It or its statements may still be running. */
  | { readonly kind: 'timed-out'; readonly error: HandlerTimeoutError }
  | { readonly kind: 'aborted' };

/**
 * Runs a handler until it has ended, its time is up or `abort` aborts; the signal it is given aborts in the two
 * latter cases. Never rejects, and waits for nobody who ignores the signal.
 */
export async function runHandler(
  handle: (signal: () => AbortSignal) => HandlerResult | Promise<HandlerResult>,
  options: { readonly gate: Gate; readonly timeoutMs: number; readonly abort: AbortSignal },
): Promise<HandlerEnd> {
  const { gate, timeoutMs, abort } = options;
  // Most handlers never look at their signal.
  let controller: AbortController | undefined;
  let reason: unknown;
  const signal = () => {
    controller ??= new AbortController();
    if (reason !== undefined) controller.abort(reason);
    return controller.signal;
  };
  const stop = (why: unknown) => {
    reason = why ?? new Error('the handler was stopped');
    controller?.abort(reason);
  };
  try {
    const waited = await within(untilAnswered(handle, signal, gate), timeoutMs, abort);
    switch (waited.kind) {
      case 'fulfilled':
        return { kind: 'returned', result: waited.value };
      case 'late': {
        const error = new HandlerTimeoutError(timeoutMs);
        gate.close('the time of its handler was up, and its transaction was rolled back');
        stop(error);
        return { kind: 'timed-out', error };
      }
      case 'aborted':
        gate.close('its handler was stopped, and its transaction was rolled back');
        stop(abort.reason);
        return { kind: 'aborted' };
    }
  } catch (error) {
    gate.close('its handler had failed, and its transaction was rolled back');
    return { kind: 'threw', error };
  }
}

async function untilAnswered(
  handle: (signal: () => AbortSignal) => HandlerResult | Promise<HandlerResult>,
  signal: () => AbortSignal,
  gate: Gate,
): Promise<HandlerResult> {
  const result = await handle(signal);
  gate.close('its handler had returned: await every statement');
  await gate.settled();
  return result;
}
