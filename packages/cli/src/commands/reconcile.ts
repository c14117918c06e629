import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type ReconcileReport, reconcile, type StreamSurvey, surveyStreams } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { plural } from '../format.ts';
import { interruption } from '../interruption.ts';
import { type RecordOptions, timeoutOption, toRecord, withJson, withRecord } from '../options.ts';
import { print, printError, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({ ...databaseConfig, ...redisConfig });

interface ReconcileFlags extends RecordOptions {
  readonly dryRun?: true;
  readonly timeout: number;
  readonly json?: true;
}

/** `bus reconcile` */
export function addReconcile(program: Command, setStatus: SetStatus): void {
  withRecord(withJson(program.command('reconcile')))
    .summary('write again what the streams have lost')
    .description(
      'Compares the streams with what the outbox in DATABASE_URL has recorded of them, says what is missing, and has it ' +
        'written again: by the publisher that leads, or, if none does, by itself, which takes the lead as long as it needs.\n' +
        'Publishers do the same by themselves every few seconds. Exit status 0 if all is there, 1 if something is missing or lost for good.',
    )
    .option('--dry-run', 'only say what is missing')
    .addOption(timeoutOption('give up when nothing has changed for so long', 30_000))
    .addHelpText('after', '\nExample:\n  $ bus reconcile --dry-run')
    .action(async (flags: ReconcileFlags) => {
      const { dryRun, timeout: patienceMs, json } = flags;
      const env = loadConfig(config, process.env);
      const signal = interruption();
      await withConnections(async (connections) => {
        const [{ pool, db }, { db: busDatabase }] = await Promise.all([
          connections.database(env.DATABASE_URL),
          connections.database(env.BUS_DATABASE_URL),
        ]);
        const transport = connections.redis(env.REDIS_URL);
        if (dryRun === true) {
          const found = await surveyStreams({ pool, busDatabase, transport });
          if (json === true) printJson(found);
          else print(describeFound(found));
          if (!isWhole(found)) setStatus(1);
          return;
        }
        const directUrl = env.DATABASE_DIRECT_URL.reveal();
        const { name } = connections;
        const parts = { pool, db, directUrl, busDatabase, transport, name, patienceMs, signal };
        const report = await reconcile({ ...parts, ...toRecord(flags) });
        if (json === true) printJson(report);
        else print(describeReport(report));
        warn(report);
        const isLost = report.unrecoverableBatches > 0 || report.olderThanLog.length > 0;
        if (!isWhole(report.after) || isLost) setStatus(1);
      });
    });
}

function isWhole(surveys: readonly StreamSurvey[]): boolean {
  return surveys.every(({ intact }) => intact);
}

function describeFound(surveys: readonly StreamSurvey[]): string {
  if (surveys.length === 0) return 'This outbox has written to no stream yet.';
  const lost = surveys.filter(({ intact }) => !intact);
  const summary =
    lost.length === 0
      ? 'All is there.'
      : `${plural(lost.length, 'stream')} went back in time. Of the first lost batch, some events may still be there.`;
  return `${surveyTable(surveys)}\n${summary}`;
}

function describeReport({ before, after, mendedBy }: ReconcileReport): string {
  if (mendedBy === 'nobody') return describeFound(before);
  const by = mendedBy === 'publisher' ? 'the publisher that leads' : 'this command, since no publisher leads';
  const outcome = isWhole(after)
    ? `Written again by ${by}. All is there.`
    : `Still missing:\n${surveyTable(after.filter(({ intact }) => !intact))}`;
  return `${surveyTable(before)}\n${outcome}`;
}

function warn({ unrecoverableBatches, olderThanLog, unknownMarks }: ReconcileReport): void {
  if (unrecoverableBatches > 0) {
    printError(
      `${plural(unrecoverableBatches, 'lost batch')}: the events are no longer in the outbox either.`,
    );
  }
  for (const stream of olderThanLog) {
    printError(
      `${stream} ended with an event that left the outbox long ago: Redis was restored from a backup older than OUTBOX_KEEP. What lies between is in the archive, if there is one: \`bus replay\` brings it to a group.`,
    );
  }
  for (const stream of unknownMarks) {
    printError(
      `${stream} holds an event of this outbox that the log does not know: PostgreSQL went back in time.`,
    );
  }
}

function surveyTable(surveys: readonly StreamSurvey[]): string {
  return table(
    [
      { title: 'STREAM', text: ({ stream }) => stream },
      { title: 'STATE', text: ({ intact }) => (intact ? 'whole' : 'lost events') },
      { title: 'LOST BATCHES', text: ({ lostBatches }) => String(lostBatches), right: true },
      { title: 'LOST EVENTS', text: ({ lostEvents }) => String(lostEvents), right: true },
    ],
    surveys,
  );
}
