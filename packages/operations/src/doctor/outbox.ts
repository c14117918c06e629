import { readOutboxOverview } from '@event-bus/outbox/log';
import type { OutboxPool } from '../outbox-pool.ts';
import type { Report } from './finding.ts';

/** From when on something that passes by itself is worth telling. */
const patienceMs = 60_000;

/** Looks whether events leave the outbox. */
export async function checkOutbox(pool: OutboxPool, report: Report): Promise<void> {
  const found = await readOutboxOverview(pool);
  const { source, isLed, parked, parkedAggregates, pending, gaps } = found;
  if (!isLed)
    report.problem(
      `no publisher leads ${source ?? 'it, and none ever did'}: nothing leaves it`,
      'start an outbox-publisher with this DATABASE_URL; if one runs, its log says why it does not lead',
    );
  if (isLed && ageOf(found.oldestPendingAt) > patienceMs)
    report.problem(
      `the oldest of ${pending.count}${pending.more ? '+' : ''} events that are not published is ${secondsOf(found.oldestPendingAt)} s old`,
      "see the publisher's log: runbook BusOutboxBehind",
    );
  if (parked.count > 0)
    report.problem(
      `${parked.count}${parked.more ? '+' : ''} events of ${parkedAggregates} aggregates are parked`,
      '`bus outbox parked` says why; mend that, then `bus outbox retry`',
    );
  if (ageOf(gaps.oldestAt) > patienceMs)
    report.warning(
      `a transaction that appends has been open for ${secondsOf(gaps.oldestAt)} s, and its ${gaps.positions} positions are gaps`,
      'find it in pg_stat_activity by xact_start; nobody else waits for it, but pruning does: runbook BusGapStaysOpen',
    );
  report.ok(`${found.leader} leads ${source}, ${pending.count} events pending`);
}

function ageOf(instant: Date | null): number {
  return instant === null ? 0 : Date.now() - instant.getTime();
}

function secondsOf(instant: Date | null): number {
  return Math.round(ageOf(instant) / 1_000);
}
