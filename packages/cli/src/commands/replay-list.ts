import { databaseConfig, loadConfig } from '@event-bus/config';
import { loadReplays, type Replay } from '@event-bus/database';
import { replayPercent } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { age, text } from '../format.ts';
import { parseCount, withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';
import { countsOf } from './replay-view.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });

interface ListOptions {
  readonly group?: string;
  readonly limit: number;
  readonly json?: true;
}

/** `bus replay list` */
export function addReplayList(replay: Command): void {
  withJson(replay.command('list'))
    .summary('list replays')
    .description(
      'Lists replays, the newest first, and the history that groups begin with which start from the archive.',
    )
    .option('--group <group>', 'only those of this group')
    .option('--limit <n>', 'at most so many', parseCount(1), 50)
    .addHelpText('after', '\nExample:\n  $ bus replay list')
    .action(async (_: unknown, command: Command) => {
      const { group, limit, json } = command.optsWithGlobals<ListOptions>();
      const env = loadConfig(config, process.env);
      const replays = await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        return loadReplays(db, { group, limit });
      });
      if (json === true) printJson(replays);
      else print(replays.length === 0 ? 'There is no replay.' : replayTable(replays));
    });
}

function replayTable(replays: readonly Replay[]): string {
  return table(
    [
      { title: 'REPLAY', text: ({ id }) => id },
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'TOPIC', text: ({ topic, kind }) => topic ?? kind },
      { title: 'STATE', text: ({ state }) => state },
      { title: 'DONE', text: (replay) => `${replayPercent(replay.streams)}%`, right: true },
      { title: 'INJECTED', text: (replay) => String(countsOf(replay).injected), right: true },
      { title: 'SETTLED', text: (replay) => String(countsOf(replay).handled), right: true },
      { title: 'BY', text: ({ requestedBy }) => requestedBy },
      { title: 'ASKED FOR', text: ({ requestedAt }) => `${age(requestedAt)} ago` },
      { title: 'REASON', text: ({ reason }) => text(reason) },
    ],
    replays,
  );
}
