import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type { PruneReport } from './prune.ts';

/**
 * Tells what pruning did, and what holds it up: once per reason, and as metrics as long as it lasts. Without a report, since
 * another publisher leads and prunes, nothing is held up here.
 */
export function createPruneObserver(
  logger: Logger,
  source: string,
): (report: PruneReport | undefined) => void {
  const instruments = meter();
  const common = { [attributeNames.source]: source };
  const partitions = instruments.createGauge(metricNames.outboxPartitions);
  const oldestAge = instruments.createGauge(metricNames.outboxOldestPartitionAge, { unit: 's' });
  const blocked = instruments.createGauge(metricNames.outboxPruneBlocked);
  // Each is told from the first look on: what is absent, no alert asks for.
  const kinds = new Set<string>(['unpublished', 'parked', 'unsettled', 'unrecorded', 'lock']);
  let told = new Set<string>();

  const tellBlocked = (kept: PruneReport['kept']) => {
    for (const { kind } of kept) kinds.add(kind);
    for (const kind of kinds) {
      const count = kept.filter((one) => one.kind === kind).length;
      blocked.record(count, { ...common, [attributeNames.reason]: kind });
    }
  };

  return (report) => {
    tellBlocked(report?.kept ?? []);
    if (report === undefined) return;
    const { dropped, kept, defaultRows } = report;
    partitions.record(report.partitions, common);
    oldestAge.record(
      report.oldestAt === null ? 0 : Math.max(0, Date.now() - report.oldestAt.getTime()) / 1_000,
      common,
    );
    if (dropped.length > 0) logger.info({ source, dropped }, 'old partitions of the outbox are dropped');
    if (defaultRows > 0)
      logger.info({ source, rows: defaultRows }, 'old rows of the default partition are deleted');
    const reasons = new Set<string>();
    for (const { partition, kind, reason } of kept) {
      const text = `${partition}: ${reason}`;
      reasons.add(text);
      // Locks come and go.
      if (kind !== 'lock' && !told.has(text)) {
        logger.warn({ source, partition, kind, reason }, `an old partition is not dropped: ${reason}`);
      }
    }
    told = reasons;
  };
}
