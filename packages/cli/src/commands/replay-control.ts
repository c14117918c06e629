import { databaseConfig, loadConfig, redisConfig } from '@event-bus/config';
import { cancelReplay, pauseReplay, resumeReplay } from '@event-bus/operations';
import type { Command } from 'commander';
import { z } from 'zod';
import { withConnections } from '../connections.ts';
import { plural } from '../format.ts';
import { parseReplayId } from '../options.ts';
import { print } from '../output.ts';
import { thisUser } from '../this-user.ts';

const busConfig = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });
const cancelConfig = busConfig.extend(redisConfig);

interface OrderOptions {
  readonly operator: string;
  readonly reason?: string;
}

/** `bus replay pause`, `resume`, `cancel` */
export function addReplayControl(replay: Command): void {
  order(replay, 'pause')
    .summary('stop a replay until it is resumed')
    .description('Stops a replay until it is resumed. What is injected already is handled.')
    .action(async (id: string, _: unknown, command: Command) => {
      const env = loadConfig(busConfig, process.env);
      await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        await pauseReplay(db, id, orderOf(command));
      });
      print(`Paused: bus replay resume ${id}`);
    });
  order(replay, 'resume')
    .summary('let a replay go on that was paused or has failed')
    .description('Lets a replay that was paused or has failed go on from where it was.')
    .action(async (id: string, _: unknown, command: Command) => {
      const env = loadConfig(busConfig, process.env);
      await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        await resumeReplay(db, id, orderOf(command));
      });
      print(`It goes on: bus replay show ${id}`);
    });
  order(replay, 'cancel')
    .summary('end a replay for good')
    .description(
      'Ends a replay for good and takes back what nobody has read yet. What a runner has in its hands is handled.',
    )
    .action(async (id: string, _: unknown, command: Command) => {
      const env = loadConfig(cancelConfig, process.env);
      const withdrawn = await withConnections(async (connections) => {
        const { db } = await connections.database(env.BUS_DATABASE_URL);
        const mover = connections.redis(env.REDIS_URL).mover();
        return cancelReplay({ bus: db, mover }, id, orderOf(command));
      });
      print(`Cancelled; ${plural(withdrawn, 'event')} taken back that nobody had read.`);
    });
}

function order(replay: Command, name: string): Command {
  return replay
    .command(name)
    .argument('<replay>', 'its ID', parseReplayId)
    .option('--reason <text>', 'why, for the record')
    .option('--operator <name>', 'on record as who did it')
    .addHelpText('after', `\nExample:\n  $ bus replay ${name} 1a7e5e9e-d928-4966-9b1d-3bc13eba26c1`);
}

// The parent has these options, too, and takes them.
function orderOf(command: Command) {
  const { operator = thisUser(), reason = null } = command.optsWithGlobals<Partial<OrderOptions>>();
  return { operator, reason };
}
