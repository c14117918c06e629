import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type { InboxPruneReport } from './prune-inbox.ts';

/** Tells what pruning an inbox did, and what holds it up: once per reason, and as metrics as long as it lasts. */
export function createInboxPruneObserver(logger: Logger): (report: InboxPruneReport) => void {
  const instruments = meter();
  const partitions = instruments.createGauge(metricNames.inboxPartitions);
  const oldestAge = instruments.createGauge(metricNames.inboxOldestPartitionAge, { unit: 's' });
  const blocked = instruments.createGauge(metricNames.inboxPruneBlocked);
  // Each is told from the first look on: what is absent, no alert asks for.
  const kinds = new Set<string>(['unknown', 'young', 'dead-letter', 'lock']);
  let told = new Set<string>();

  return ({ dropped, kept, defaultRows, ...report }) => {
    partitions.record(report.partitions);
    oldestAge.record(
      report.oldestAt === null ? 0 : Math.max(0, Date.now() - report.oldestAt.getTime()) / 1_000,
    );
    for (const { kind } of kept) kinds.add(kind);
    for (const kind of kinds) {
      const count = kept.filter((one) => one.kind === kind).length;
      blocked.record(count, { [attributeNames.reason]: kind });
    }
    if (dropped.length > 0) logger.info({ dropped }, 'old partitions of the inbox are dropped');
    if (defaultRows > 0) logger.info({ rows: defaultRows }, 'old rows of the default partition are deleted');
    const now = new Set<string>();
    for (const { partition, kind, reason } of kept) {
      const key = `${partition} ${kind}`;
      now.add(key);
      if (kind !== 'lock' && !told.has(key)) {
        logger.warn({ partition, kind, reason }, `an old partition is not dropped: ${reason}`);
      }
    }
    told = now;
  };
}
