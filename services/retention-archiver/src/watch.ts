import { type RetentionParts, type RetentionView, retentionStatus } from '@event-bus/operations';
import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';

/** What is watched, and from when on memory is short. */
export interface WatchParts extends RetentionParts {
  readonly logger: Logger;
  /** The part of its memory from which on Redis is reported to be short of it, above 0 and up to 1. */
  readonly memoryAlarm: number;
}

/**
 * Creates the watch of one archiver: how far behind the archive is, which groups keep entries in memory, and whether memory
 * runs short. It changes nothing: of what no group has handled nothing is ever dropped to make room.
 */
export function createWatch(parts: WatchParts): { look(): Promise<void>; forget(): void } {
  const { observer, logger, memoryAlarm } = parts;
  let views: readonly RetentionView[] = [];
  let isShort: boolean | undefined;
  const blocked = new Set<string>();
  const common = { [attribute.messagingSystem]: messagingSystem };

  const gauge = (name: string, description: string) => meter().createObservableGauge(name, { description });
  gauge(metricNames.archiveLag, 'Age of the oldest entry that is not archived').addCallback((result) => {
    for (const { stream, archiveLagMs } of views)
      result.observe(archiveLagMs / 1_000, { ...common, [attribute.destinationName]: stream });
  });
  gauge(metricNames.trimBlocked, 'For how long a group has kept entries from being trimmed').addCallback(
    (result) => {
      for (const { stream, blockedBy } of views) {
        for (const { group, since } of blockedBy) {
          const attributes = { [attribute.destinationName]: stream, [attribute.consumerGroupName]: group };
          result.observe(Math.max(0, Date.now() - since.getTime()) / 1_000, { ...common, ...attributes });
        }
      }
    },
  );
  gauge(metricNames.memoryAlarm, 'Whether Redis runs short of memory').addCallback((result) => {
    if (isShort !== undefined) result.observe(isShort ? 1 : 0, common);
  });

  async function watchMemory(): Promise<void> {
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
  }

  function tellBlocked(): void {
    const now = new Set<string>();
    for (const { stream, blockedBy } of views) {
      for (const { group, since } of blockedBy) {
        const key = `${stream} ${group}`;
        now.add(key);
        if (!blocked.has(key))
          logger.warn(
            { stream, group, since },
            'a group keeps entries from being trimmed: `bus retention explain`',
          );
      }
    }
    blocked.clear();
    for (const key of now) blocked.add(key);
  }

  return {
    async look() {
      views = await retentionStatus(parts);
      tellBlocked();
      await watchMemory();
    },
    // Old figures would look like news.
    forget() {
      views = [];
      isShort = undefined;
    },
  };
}
