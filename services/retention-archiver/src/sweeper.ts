import { type PolicyOf, registeredStreams } from '@event-bus/operations';
import { OvertakenError } from './errors.ts';
import { sweepStream } from './stream-sweep.ts';
import type { SweepParts } from './sweep.ts';

/** Sweeps a stream by its name. Rejects if the sweep failed; the failure has been told. */
export type SweepByName = (stream: string, signal: AbortSignal) => Promise<void>;

/** Creates the sweep of one process. A stream that it sweeps already is left to the sweep under way. */
export function createSweeper(parts: SweepParts & { readonly policyOf: PolicyOf }): SweepByName {
  const { bus, observer, policyOf } = parts;
  const underWay = new Set<string>();
  return async (stream, signal) => {
    if (underWay.has(stream)) return;
    const beganAt = performance.now();
    underWay.add(stream);
    try {
      const topic = (await registeredStreams(bus)).get(stream);
      if (topic === undefined) return;
      await sweepStream(parts, { stream, topic, policy: policyOf(topic) }, signal);
      observer.recovered(stream);
    } catch (error) {
      if (error instanceof OvertakenError || signal.aborted) return;
      observer.failed(stream, error);
      throw error;
    } finally {
      underWay.delete(stream);
      observer.swept(stream, performance.now() - beganAt);
    }
  };
}
