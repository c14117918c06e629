import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type AuditFault, type AuditReport, audit, type GroupAccount, isProven } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import type { SetStatus } from '../exit-status.ts';
import { plural } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { parseCount, parseInstant, withJson } from '../options.ts';
import { print, printError, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...inboxConfig,
  ...redisConfig,
});

interface AuditOptions {
  readonly group?: string;
  readonly topic?: string;
  readonly from?: Date;
  readonly to?: Date;
  readonly limit: number;
  readonly json?: true;
}

/** `bus audit` */
export function addAudit(program: Command, setStatus: SetStatus): void {
  withJson(program.command('audit'))
    .summary('prove that every event is accounted for')
    .description(
      'Goes through all events of the outbox in DATABASE_URL and says, for each group whose inbox is in INBOX_DATABASE_URL, ' +
        'what became of them: SETTLED + DEAD + WAITING = APPENDED. Events that are in no state, or in two, are listed; exit ' +
        'status 1 then, and if a group cannot be seen. Reads only, correct under traffic; takes as long as the log is.',
    )
    .option('--group <group>', 'only this group')
    .option('--topic <topic>', 'only events of this topic')
    .option('--from <when>', 'only events appended since: 2d, or 2026-01-31T12:00:00Z', parseInstant)
    .option('--to <when>', 'only events appended before', parseInstant)
    .option('--limit <n>', 'list at most so many events', parseCount(1), 1_000)
    .addHelpText('after', '\nExample:\n  $ bus audit --group welcome-email --from 1d')
    .action(async ({ json, limit, ...request }: AuditOptions) => {
      const env = loadConfig(config, process.env);
      const report = await withConnections(async (connections) => {
        const [{ pool }, { db: inbox }, { db: bus }] = await Promise.all([
          connections.database(env.DATABASE_URL),
          connections.database(env.INBOX_DATABASE_URL),
          connections.database(env.BUS_DATABASE_URL),
        ]);
        const observer = connections.redis(env.REDIS_URL).observer();
        return audit({ pool, inbox, bus, observer }, { ...request, maxFaults: limit });
      });
      if (json === true) printJson(report);
      else print(describe(report));
      for (const note of notes(report)) printError(note);
      if (!isProven(report)) setStatus(1);
    });
}

function describe({ groups, faults, positions }: AuditReport): string {
  if (groups.length === 0) return 'There is no group to account for.';
  if (positions === null) return 'The outbox holds no event of that time.';
  const accounts = table(accountColumns, groups);
  const details = groups.filter(({ appended }) => appended > 0).map(detail);
  return [accounts, '', ...details, ...(faults.length === 0 ? [] : ['', table(faultColumns, faults)])].join(
    '\n',
  );
}

const number = (title: string, value: (account: GroupAccount) => number) => ({
  title,
  text: (account: GroupAccount) => String(value(account)),
  right: true,
});

const accountColumns = [
  { title: 'GROUP', text: ({ group }: GroupAccount) => group },
  number('APPENDED', ({ appended }) => appended),
  number('SETTLED', ({ settled }) => settled),
  number('DEAD', ({ deadLettered }) => deadLettered),
  number('WAITING', ({ waiting }) => waiting),
  number('MISSING', ({ states }) => states.missing ?? 0),
  number('CONTRADICTORY', ({ states }) => states.contradictory ?? 0),
];

const faultColumns = [
  { title: 'GROUP', text: ({ group }: AuditFault) => group },
  { title: 'POSITION', text: ({ position }: AuditFault) => String(position), right: true },
  { title: 'EVENT', text: ({ eventId }: AuditFault) => eventId },
  { title: 'TYPE', text: ({ eventType }: AuditFault) => eventType },
  { title: 'WRONG', text: whatIsWrong },
];

function whatIsWrong({ state, outcome, letter }: AuditFault): string {
  return state === 'missing'
    ? 'neither handled nor waiting anywhere'
    : `the inbox says ${outcome ?? 'nothing'}, the dead letter ${letter ?? 'nothing'}`;
}

function detail({ group, states }: GroupAccount): string {
  const parts = Object.entries(states).map(([state, count]) => `${count} ${state}`);
  return `${group}: ${parts.join(', ')}`;
}

function notes({ knownFrom, otherFaults, unseenGroups, otherSources, source }: AuditReport): string[] {
  return [
    ...(otherFaults > 0 ? [`${plural(otherFaults, 'more event')} at fault: raise --limit.`] : []),
    ...unseenGroups.map(
      (group) => `${group} is not accounted for: its inbox is in another database. Set INBOX_DATABASE_URL.`,
    ),
    ...(knownFrom !== null && knownFrom > 1
      ? [`The log begins at position ${knownFrom}: what was appended below is no longer known.`]
      : []),
    ...otherSources.map(
      (other) =>
        `Events of ${other} are not accounted for, only those of ${source ?? 'this outbox'}: set DATABASE_URL to its database.`,
    ),
  ];
}
