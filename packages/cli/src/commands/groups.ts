import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { type GroupView, listGroups } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, durationOrNone, number, oneLine, pauseText, plural } from '../format.ts';
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
        'the oldest pending entry has not been touched, RUNNERS how many processes of the group are alive, CONSUMERS under how ' +
        'many names it reads there, FAILED pending and not retried any more. `bus pending <group>` tells them one by one.\n' +
        'Below stands which groups are paused, and which have an open circuit because what their handlers need is down.\n' +
        'A group is "missing" if it is registered but not on the server; its runner creates it again. It is "unreadable" where ' +
        'something else was stored under a key of its stream: `bus streams` says what.',
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
      else if (groups.length === 0) print('No group is registered.');
      else print([groupTable(groups), ...obstacles(groups)].join('\n'));
    });
}

/** What keeps groups from their work, one a line. */
function obstacles(groups: readonly GroupView[]): string[] {
  const byName = new Map(groups.map((group) => [group.group, group]));
  const awaiting = new Set(groups.filter((group) => group.awaitsHistory).map(({ group }) => group));
  return [...byName.values()].flatMap(({ group, pause, circuit, runners }) => [
    ...(pause === null ? [] : [`${group} is ${pauseText(pause)}`]),
    ...(circuit === null
      ? []
      : [
          `${group} has an open circuit for ${age(circuit.since)}, on ${circuit.runners} of ${plural(runners, 'runner')}: ${oneLine(circuit.error)}`,
        ]),
    ...(awaiting.has(group)
      ? [`${group} is given its history before it reads on: \`bus replay list\` shows how far that is`]
      : []),
  ]);
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
      { title: 'RUNNERS', text: ({ runners }) => String(runners), right: true },
      { title: 'CONSUMERS', text: ({ consumers }) => String(consumers.length), right: true },
      { title: 'FAILED', text: ({ failed }) => number(failed), right: true },
    ],
    groups,
  );
}
