import { databaseConfig, loadConfig } from '@event-bus/config';
import { loadReplay } from '@event-bus/database';
import { UnknownReplayError } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { parseReplayId } from '../options.ts';
import { printJson } from '../output.ts';

const config = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });

/** `bus replay show` */
export function addReplayShow(replay: Command): void {
  replay
    .command('show')
    .summary('show all there is about a replay')
    .description(
      'Shows all there is about a replay, as JSON: its range and filters, and how far it is on each stream.',
    )
    .argument('<replay>', 'its ID', parseReplayId)
    .addHelpText('after', '\nExample:\n  $ bus replay show 1a7e5e9e-d928-4966-9b1d-3bc13eba26c1')
    .action(async (id: string) => {
      const env = loadConfig(config, process.env);
      const found = await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        return loadReplay(db, id);
      });
      if (found === undefined) throw new UnknownReplayError(id);
      printJson(found);
    });
}
