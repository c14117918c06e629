import type { Delivery } from '@event-bus/transport';
import type { Dispatcher } from '../settlement.ts';
import { toHeld } from './held.ts';
import type { RunnerState } from './runner-state.ts';

/**
 * Spares duplicates their transactions when a stream is read again: after a flush, in a rebuilt stream, or when a
 * pending list came back from the past.
 *
 *     unsuspected   nothing is looked up
 *     suspected     what is read or claimed is first looked up in the inbox, a page at a time
 *
 *     unsuspected -> suspected   an event of the stream turned out to have been handled before
 *     suspected -> unsuspected   a page held no such event, or could not be looked up
 */
export interface KnownDuplicates {
  /** An event of this stream had been handled before. */
  suspect(stream: string): void;
  /**
   * Returns what is left to be handled, and has the rest acknowledged. To be called with entries of the streams
   * only: one that was injected may be there to do again what the inbox says was given up. Never rejects.
   */
  sift(deliveries: readonly Delivery[]): Promise<readonly Delivery[]>;
}

/** Creates it for one runner; look-ups end with `signal`. */
export function createKnownDuplicates(
  { group, acknowledger, observer, logger }: RunnerState,
  { dispatcher, signal }: { readonly dispatcher: Dispatcher; readonly signal: AbortSignal },
): KnownDuplicates {
  const suspected = new Set<string>();

  async function lookUp(deliveries: readonly Delivery[]): Promise<ReadonlySet<Delivery>> {
    try {
      return await dispatcher.findSettled(deliveries, signal);
    } catch (error) {
      // Each of them finds out in its own transaction.
      if (!signal.aborted) logger.info({ err: error }, 'duplicates could not be looked up together');
      return new Set();
    }
  }

  return {
    suspect: (stream) => void suspected.add(stream),
    async sift(deliveries) {
      const asked = deliveries.filter(({ stream }) => suspected.has(stream));
      if (asked.length === 0) return deliveries;
      const beganAt = performance.now();
      const settled = await lookUp(asked);
      const durationMs = performance.now() - beganAt;
      for (const { stream } of asked) suspected.delete(stream);
      for (const delivery of settled) {
        suspected.add(delivery.stream);
        const held = toHeld(delivery, group);
        acknowledger.add(held.id, held);
        observer.ended(delivery, { kind: 'settled', how: 'duplicate' }, { durationMs, attempts: 1 });
      }
      return deliveries.filter((delivery) => !settled.has(delivery));
    },
  };
}
