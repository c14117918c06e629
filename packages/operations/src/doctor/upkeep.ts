import { type BusDatabase, countReplays } from '@event-bus/database';
import { countOpenLettersOfAll } from '@event-bus/inbox';
import type { Kysely } from 'kysely';
import { type RetentionParts, retentionStatus } from '../retention/status.ts';
import { type LogPartitions, retentionWindows } from '../retention-windows.ts';
import { type Finding, reportTo } from './finding.ts';

/** Looks whether dead letters wait for somebody. */
export async function checkLetters(inbox: Kysely<BusDatabase>, findings: Finding[]): Promise<void> {
  const report = reportTo(findings, 'dead letters');
  for (const { group, dead } of await countOpenLettersOfAll(inbox)) {
    if (dead > 0)
      report.warning(
        `${dead} of ${group} wait for a decision`,
        `\`bus dlq groups --group ${group}\` shows their causes; then redrive or discard them`,
      );
  }
  report.ok('none waits');
}

/** Looks whether replays have failed, or wait for a replayer. */
export async function checkReplays(bus: Kysely<BusDatabase>, findings: Finding[]): Promise<void> {
  const report = reportTo(findings, 'replays');
  for (const { group, queued, failed } of await countReplays(bus)) {
    if (failed > 0)
      report.problem(
        `${failed} to ${group} have failed`,
        '`bus replay list` names them and `bus replay show` why; then `bus replay resume` or `cancel`',
      );
    if (queued > 0)
      report.warning(
        `${queued} to ${group} have not been taken up`,
        'start a replayer, if none runs; otherwise they wait for those before them',
      );
  }
  report.ok('none waits or has failed');
}

/** From when on an archiver is late. */
const patienceMs = 3_600_000;

/** Looks whether streams get shorter: archived, and trimmed. */
export async function checkRetention(parts: RetentionParts, findings: Finding[]): Promise<void> {
  const report = reportTo(findings, 'retention');
  const now = Date.now();
  const { views, unreadable } = await retentionStatus(parts);
  for (const { stream, topic, archiveLagMs, archivedAt, blockedBy } of views) {
    if (archiveLagMs > parts.policyOf(topic).hotMs + patienceMs)
      report.warning(
        `${stream} holds entries that should be in the archive${archivedAt === null ? ', and nothing of it ever was archived' : ''}`,
        'start a retention-archiver, if none runs; its log says what the store refuses: runbook BusArchiveBehind',
      );
    for (const { group, since } of blockedBy) {
      if (now - since.getTime() > patienceMs)
        report.warning(
          `${group} keeps ${stream} from being trimmed since ${since.toISOString()}`,
          `\`bus pending ${group}\` and \`bus retention explain\` show by what`,
        );
    }
  }
  report.ok(
    unreadable.length === 0
      ? 'streams are archived and trimmed as they should be'
      : 'the streams that can be read are archived and trimmed as they should be',
  );
}

/** Looks whether old partitions can be dropped. */
export async function checkPruning(
  parts: Parameters<typeof retentionWindows>[0],
  findings: Finding[],
): Promise<void> {
  const { outbox, inbox } = await retentionWindows(parts);
  const report = reportTo(findings, 'pruning');
  const check = (name: string, { oldest, isDue, heldBackBy }: LogPartitions) => {
    if (isDue && heldBackBy !== null)
      report.warning(
        `${oldest} of the ${name} cannot be dropped: ${heldBackBy}`,
        'PostgreSQL grows until then; `bus retention windows` says what to do',
      );
  };
  check('outbox', outbox);
  check('inbox', inbox);
  report.ok('no old partition is held back');
}
