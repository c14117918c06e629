import { type PolicyOf, retainedStreams } from '@event-bus/operations';
import { OvertakenError } from './errors.ts';
import { sweepStream } from './stream-sweep.ts';
import type { SweepParts } from './sweep.ts';

/**
 * Sweeps a stream by its name. Resolves with whether another sweep would get further at once. Rejects if the sweep failed;
 * the failure has been told.
 */
export type SweepByName = (stream: string, signal: AbortSignal) => Promise<boolean>;

/** Creates the sweep of one process. A stream that it sweeps already is left to the sweep under way. */
export function createSweeper(parts: SweepParts & { readonly policyOf: PolicyOf }): SweepByName {
  const { bus, observer, policyOf } = parts;
  const underWay = new Set<string>();
  return async (stream, signal) => {
    if (underWay.has(stream)) return false;
    const beganAt = performance.now();
    underWay.add(stream);
    try {
      const topic = (await retainedStreams(bus)).get(stream);
      if (topic === undefined) return false;
      const hasMore = await sweepStream(parts, { stream, topic, policy: policyOf(topic) }, signal);
      observer.recovered(stream);
      return hasMore;
    } catch (error) {
      if (error instanceof OvertakenError || signal.aborted) return false;
      observer.failed(stream, error);
      throw error;
    } finally {
      underWay.delete(stream);
      observer.swept(stream, performance.now() - beganAt);
    }
  };
}
