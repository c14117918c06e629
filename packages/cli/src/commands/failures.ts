import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type FailedEntry, listFailures, streamsOfGroup } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, oneLine, plural, text } from '../format.ts';
import { parseCount, withJson } from '../options.ts';
import { print, printError, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL, ...redisConfig });

/** `bus failures` */
export function addFailures(program: Command): void {
  withJson(program.command('failures').argument('<group>', 'name of a registered group'))
    .summary('list the entries of a group that will not be retried')
    .description(
      'Lists the pending entries of a group that will not be retried: their attempts are used up, or no attempt can help.\n' +
        'Finding them reads the streams from the beginning, which may take a while where they are long.',
    )
    .option('--limit <n>', 'at most so many of each stream', parseCount(1), 100)
    .addHelpText('after', '\nExample:\n  $ bus failures welcome-email')
    .action(async (group: string, options: { readonly limit: number; readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const { entries, others } = await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        const streams = await streamsOfGroup(db, group);
        return listFailures(connections.redis(env.REDIS_URL), group, streams, options.limit);
      });
      if (options.json === true) printJson(entries);
      else print(entries.length === 0 ? `No entry of ${group} has failed for good.` : failureTable(entries));
      if (others > 0) {
        printError(
          `${plural(others, 'more failure')} on record, above the limit or of entries that no longer stand in their stream.`,
        );
      }
    });
}

function failureTable(entries: readonly FailedEntry[]): string {
  return table(
    [
      { title: 'STREAM', text: ({ stream }) => stream },
      { title: 'ENTRY', text: ({ entryId }) => entryId },
      { title: 'EVENT', text: ({ eventId }) => text(eventId) },
      { title: 'TYPE', text: ({ eventType }) => text(eventType) },
      { title: 'ATTEMPTS', text: ({ attempts }) => String(attempts), right: true },
      { title: 'FAILED', text: ({ failedAt }) => `${age(failedAt)} ago` },
      {
        title: 'REASON',
        text: ({ reason, error }) => oneLine(error === '' ? reason : `${reason}: ${error}`),
      },
    ],
    entries,
  );
}
