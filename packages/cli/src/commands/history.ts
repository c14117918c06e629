import { databaseConfig, loadConfig } from '@event-bus/config';
import { operatorActions } from '@event-bus/database';
import { type HistoryFilter, type PastAction, readHistory } from '@event-bus/operations';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { oneLine, text } from '../format.ts';
import { inboxConfig } from '../inbox-config.ts';
import { parseCount, parseEventId, parseInstant, withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({
  DATABASE_URL: databaseConfig.DATABASE_URL,
  ...inboxConfig,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
});

interface HistoryOptions extends Omit<HistoryFilter, 'eventId'> {
  readonly event?: string;
  readonly limit: number;
  readonly json?: true;
}

/** `bus history` */
export function addHistory(program: Command): void {
  withJson(program.command('history'))
    .summary('list what operators did')
    .description(
      'Lists what operators did to which events, when and why, the newest first. With --event, JSON also says what was changed of ' +
        'that event, which may be personal data.',
    )
    .option('--operator <name>', 'by this operator')
    .addOption(new Option('--action <action>', 'only such actions').choices(operatorActions))
    .option('--event <event_id>', 'to this event', parseEventId)
    .option('--group <group>', 'to this consumer group, or to events in it')
    .option('--since <when>', 'since then: 10m, or 2026-01-31T12:00:00Z', parseInstant)
    .option('--until <when>', 'before that', parseInstant)
    .option('--limit <n>', 'at most so many', parseCount(1), 50)
    .addHelpText('after', '\nExample:\n  $ bus history --group welcome-email --since 7d')
    .action(async ({ event: eventId, limit, json, ...filter }: HistoryOptions) => {
      const env = loadConfig(config, process.env);
      const { DATABASE_URL, INBOX_DATABASE_URL, BUS_DATABASE_URL } = env;
      const all = [DATABASE_URL, INBOX_DATABASE_URL, BUS_DATABASE_URL];
      const urls = new Map(all.map((url) => [url.reveal(), url]));
      const actions = await withConnections(async (connections) => {
        const opened = await Promise.all([...urls.values()].map((url) => connections.database(url)));
        const databases = opened.map(({ db }) => db);
        return readHistory(databases, { ...filter, eventId }, limit);
      });
      if (json === true) printJson(actions);
      else print(actions.length === 0 ? 'No operator did any such thing.' : historyTable(actions));
    });
}

function historyTable(actions: readonly PastAction[]): string {
  return table(
    [
      { title: 'AT', text: ({ at }) => at.toISOString() },
      { title: 'OPERATOR', text: ({ operator }) => oneLine(operator) },
      { title: 'ACTION', text: ({ action }) => action },
      { title: 'GROUP', text: groupsOf },
      { title: 'EVENTS', text: ({ events }) => String(events), right: true },
      { title: 'REASON', text: ({ reason }) => oneLine(text(reason)) },
    ],
    actions,
  );
}

function groupsOf({ group, firstEvents }: PastAction): string {
  return text(group ?? [...new Set(firstEvents.map((event) => event.group))].join(', '));
}
