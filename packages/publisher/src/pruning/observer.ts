import { type Logger, meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type { PruneReport } from './prune.ts';

/** Told of what pruning an outbox does. */
export interface PruneObserver {
  /** Without a report, since another publisher leads and prunes, nothing is held up here. */
  pruned(report: PruneReport | undefined): void;
  /** The look failed, so nothing else can be told until one goes through. */
  failed(error: unknown): void;
}

/** Creates an observer that tells what pruning did, and what holds it up: once per reason, and as metrics as long as it lasts. */
export function createPruneObserver(logger: Logger, source: string): PruneObserver {
  const common = { [attributeNames.source]: source };
  // Each is told from the first look on: what is absent, no alert asks for.
  const kinds = new Set<string>(['unpublished', 'parked', 'unsettled', 'unrecorded', 'lock', 'failed']);
  let last: PruneReport | 'standby' | 'failed' | undefined;
  let told = new Set<string>();

  const gauge = (name: string, unit?: string) =>
    meter().createObservableGauge(name, unit === undefined ? {} : { unit });
  gauge(metricNames.outboxPartitions).addCallback((result) => {
    if (typeof last === 'object') result.observe(last.partitions, common);
  });
  gauge(metricNames.outboxOldestPartitionAge, 's').addCallback((result) => {
    if (typeof last !== 'object') return;
    const { oldestAt } = last;
    const age = oldestAt === null ? 0 : Math.max(0, Date.now() - oldestAt.getTime()) / 1_000;
    result.observe(age, common);
  });
  gauge(metricNames.outboxPruneBlocked).addCallback((result) => {
    const tell = (kind: string, count: number) =>
      result.observe(count, { ...common, [attributeNames.reason]: kind });
    if (last === undefined) return;
    if (last === 'failed') return tell('failed', 1);
    const kept = last === 'standby' ? [] : last.kept;
    for (const kind of kinds) tell(kind, kept.filter((one) => one.kind === kind).length);
  });

  return {
    pruned(report) {
      last = report ?? 'standby';
      if (report === undefined) return;
      const { dropped, kept, defaultRows } = report;
      for (const { kind } of kept) kinds.add(kind);
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
    },
    failed(error) {
      last = 'failed';
      logger.warn({ source, err: error }, 'old partitions of the outbox are not dropped now');
    },
  };
}
