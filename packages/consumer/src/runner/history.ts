import { type BusDatabase, openHistory } from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import type { Kysely } from 'kysely';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';

/** Keeps a group that starts from the archive from reading a stream before it is through with the stream's history. */
export interface HistoryGate {
  /** The history of this stream is not through yet. */
  holds(stream: string): boolean;
  /** Looks until all is through, or the signal aborts. Never rejects. */
  run(stop: AbortSignal): Promise<void>;
}

const lookMs = 1_000;

/** For a group without history: holds nothing. */
export const openGate: HistoryGate = { holds: () => false, run: async () => undefined };

/** Creates the gate of a group. Until it has looked it holds all streams. `onOpen` is told when one is through. */
export function createHistoryGate(parts: {
  readonly group: string;
  readonly registry: Kysely<BusDatabase>;
  readonly logger: Logger;
  readonly onOpen: () => void;
}): HistoryGate {
  const { group, registry, logger, onOpen } = parts;
  const outage = createOutage('looking whether the history of the group is through', logger);
  let left: ReadonlySet<string> | undefined;

  return {
    holds: (stream) => left === undefined || left.has(stream),
    async run(stop) {
      while (!stop.aborted) {
        try {
          const before = left;
          left = await openHistory(registry, group);
          outage.recovered();
          if (left.size !== before?.size) onOpen();
          if (before !== undefined && left.size < before.size)
            logger.info(
              { left: [...left] },
              'the history of a stream is through: what is live is read from now on',
            );
          if (left.size === 0) return;
          if (before === undefined)
            logger.info(
              { streams: [...left] },
              'the group begins with the archive: what is live waits until a replayer has brought all of it',
            );
          await pause(lookMs, stop);
        } catch (error) {
          await pause(outage.failed(error), stop);
        }
      }
    },
  };
}
