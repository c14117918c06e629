import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';
import type { StreamObserver } from '@event-bus/transport';
import type { Watch } from './watch.ts';

/** What is watched, and from when on memory is short. */
export interface MemoryWatchParts {
  readonly observer: StreamObserver;
  readonly logger: Logger;
  /** The part of its memory from which on Redis is reported to be short of it, above 0 and up to 1. */
  readonly memoryAlarm: number;
}

/** Creates the watch of whether Redis runs short of memory. Of what no group has handled nothing is ever dropped to make room. */
export function createMemoryWatch({ observer, logger, memoryAlarm }: MemoryWatchParts): Watch {
  let isShort: boolean | undefined;
  meter()
    .createObservableGauge(metricNames.memoryAlarm, { description: 'Whether Redis runs short of memory' })
    .addCallback((result) => {
      if (isShort !== undefined)
        result.observe(isShort ? 1 : 0, { [attribute.messagingSystem]: messagingSystem });
    });

  return {
    async look() {
      const { usedMemoryBytes, maxMemoryBytes } = await observer.figures();
      const wasShort = isShort === true;
      isShort = maxMemoryBytes !== null && usedMemoryBytes >= maxMemoryBytes * memoryAlarm;
      if (isShort === wasShort) return;
      const figures = { usedMemoryBytes, maxMemoryBytes, threshold: memoryAlarm };
      if (isShort)
        logger.error(
          figures,
          'Redis runs short of memory: soon it refuses events, which then wait in their outboxes; `bus retention status` says what keeps entries',
        );
      else logger.info(figures, 'Redis has memory again');
    },
    forget() {
      isShort = undefined;
    },
  };
}
