import { loadConfig } from '@event-bus/config';
import { listLetters, redriveDeadLetters } from '@event-bus/operations';
import type { Command } from 'commander';
import { withConnections } from '../connections.ts';
import { plural } from '../format.ts';
import { print } from '../output.ts';
import {
  type ChangeOptions,
  changeConfig,
  openLetters,
  selectionToChange,
  withChange,
} from './dlq-selection.ts';

interface RedriveOptions extends ChangeOptions {
  readonly reason?: string;
}

/** `bus dlq redrive` */
export function addDlqRedrive(dlq: Command): void {
  withChange(dlq.command('redrive'))
    .summary('have dead letters handled again')
    .description(
      'Has dead letters handled again by their group, and by no other, in the order of their events. What is still broken ' +
        'becomes a dead letter again. In groups that hold, only the first letter of an aggregate is taken.',
    )
    .option('--reason <text>', 'why, for the record')
    .addHelpText('after', '\nExample:\n  $ bus dlq redrive --group welcome-email --limit 10')
    .action(async (eventIds: readonly string[] | undefined, options: RedriveOptions, command: Command) => {
      const selection = selectionToChange(command, eventIds ?? [], options);
      const env = loadConfig(changeConfig, process.env);
      await withConnections(async (connections) => {
        const db = await openLetters(connections, env.BUS_DATABASE_URL, selection);
        if (options.dryRun === true) {
          const { total } = await listLetters(db, { selection, states: ['dead'] }, 1);
          print(`${plural(Math.min(total, options.limit), 'dead letter')} would be redriven.`);
          return;
        }
        const mover = connections.redis(env.REDIS_URL).mover();
        const { operator, reason = null, limit } = options;
        const marked = await redriveDeadLetters({ db, mover }, selection, { operator, reason, limit });
        print(
          marked === 0
            ? 'No dead letter fits.'
            : `${plural(marked, 'dead letter')} handed to the runners. \`bus dlq list\` lists what is not done yet.`,
        );
      });
    });
}
