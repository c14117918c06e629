import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type { InboxPruneReport } from './prune-inbox.ts';

/** Told of what pruning an inbox does. */
export interface InboxPruneObserver {
  pruned(report: InboxPruneReport): void;
  /** The look failed, so nothing else can be told until one goes through. */
  failed(error: unknown): void;
}

/** Creates an observer that tells what pruning did, and what holds it up: once per reason, and as metrics as long as it lasts. */
export function createInboxPruneObserver(logger: Logger): InboxPruneObserver {
  // Each is told from the first look on: what is absent, no alert asks for.
  const kinds = new Set<string>(['unknown', 'young', 'dead-letter', 'lock', 'failed']);
  let last: InboxPruneReport | 'failed' | undefined;
  let told = new Set<string>();

  const gauge = (name: string, unit?: string) =>
    meter().createObservableGauge(name, unit === undefined ? {} : { unit });
  gauge(metricNames.inboxPartitions).addCallback((result) => {
    if (typeof last === 'object') result.observe(last.partitions);
  });
  gauge(metricNames.inboxOldestPartitionAge, 's').addCallback((result) => {
    if (typeof last !== 'object') return;
    const { oldestAt } = last;
    result.observe(oldestAt === null ? 0 : Math.max(0, Date.now() - oldestAt.getTime()) / 1_000);
  });
  gauge(metricNames.inboxPruneBlocked).addCallback((result) => {
    const tell = (kind: string, count: number) => result.observe(count, { [attributeNames.reason]: kind });
    if (last === undefined) return;
    if (last === 'failed') return tell('failed', 1);
    for (const kind of kinds) tell(kind, last.kept.filter((one) => one.kind === kind).length);
  });

  return {
    pruned(report) {
      last = report;
      const { dropped, kept, defaultRows } = report;
      for (const { kind } of kept) kinds.add(kind);
      if (dropped.length > 0) logger.info({ dropped }, 'old partitions of the inbox are dropped');
      if (defaultRows > 0)
        logger.info({ rows: defaultRows }, 'old rows of the default partition are deleted');
      const now = new Set<string>();
      for (const { partition, kind, reason } of kept) {
        const key = `${partition} ${kind}`;
        now.add(key);
        if (kind !== 'lock' && !told.has(key)) {
          logger.warn({ partition, kind, reason }, `an old partition is not dropped: ${reason}`);
        }
      }
      told = now;
    },
    failed(error) {
      last = 'failed';
      logger.warn({ err: error }, 'old partitions of the inbox are not dropped now');
    },
  };
}
