import { type RetentionParts, type RetentionView, retentionStatus } from '@event-bus/operations';
import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';
import type { Watch } from './watch.ts';

/** What is watched. */
export interface StreamWatchParts extends RetentionParts {
  readonly logger: Logger;
}

/**
 * Creates the watch of how far behind the archive is, and which groups keep entries in memory. A stream that cannot be read is
 * named, and hides no other. It changes nothing.
 */
export function createStreamWatch(parts: StreamWatchParts): Watch {
  const { logger } = parts;
  let views: readonly RetentionView[] = [];
  let told: ReadonlySet<string> = new Set();
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

  return {
    async look() {
      const found = await retentionStatus(parts);
      views = found.views;
      const now = new Set<string>();
      const tellOnce = (key: string, tell: () => void) => {
        now.add(key);
        if (!told.has(key)) tell();
      };
      for (const { stream, blockedBy } of views) {
        for (const { group, since } of blockedBy)
          tellOnce(`${stream} ${group}`, () =>
            logger.warn(
              { stream, group, since },
              'a group keeps entries from being trimmed: `bus retention explain`',
            ),
          );
      }
      for (const { stream, message } of found.unreadable)
        tellOnce(stream, () => logger.error({ stream }, message));
      told = now;
    },
    forget() {
      views = [];
    },
  };
}
