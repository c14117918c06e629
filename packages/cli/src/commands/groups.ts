import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type GroupView, listGroups } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { durationOrNone, number } from '../format.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL, ...redisConfig });

/** `bus groups` */
export function addGroups(program: Command): void {
  withJson(program.command('groups'))
    .summary('list the consumer groups and what they still have to do')
    .description(
      'Lists every consumer group on every stream it reads.\n' +
        'PENDING is handed out and not settled, LAG not handed out yet ("?" where the server cannot tell), OLDEST how long ' +
        'the oldest pending entry has not been touched, FAILED pending and not retried any more: `bus failures` lists those.\n' +
        'A group is "missing" if it is registered but not on the server; its runner creates it again.',
    )
    .option('--group <name>', 'only this group')
    .addHelpText('after', '\nExample:\n  $ bus groups --group welcome-email')
    .action(async ({ group, json }: { readonly group?: string; readonly json?: true }) => {
      const env = loadConfig(config, process.env);
      const groups = await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        return listGroups({ bus: db, observer: connections.redis(env.REDIS_URL).observer() }, group);
      });
      if (json === true) printJson(groups);
      else print(groups.length === 0 ? 'No group is registered.' : groupTable(groups));
    });
}

function groupTable(groups: readonly GroupView[]): string {
  return table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'STREAM', text: ({ stream }) => stream },
      { title: 'STATE', text: ({ state }) => state },
      { title: 'PENDING', text: ({ pending }) => number(pending), right: true },
      { title: 'LAG', text: ({ lag }) => number(lag), right: true },
      {
        title: 'OLDEST',
        text: ({ oldestPendingIdleMs }) => durationOrNone(oldestPendingIdleMs),
        right: true,
      },
      { title: 'CONSUMERS', text: ({ consumers }) => String(consumers.length), right: true },
      { title: 'FAILED', text: ({ failed }) => number(failed), right: true },
    ],
    groups,
  );
}
