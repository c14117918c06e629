import { loadConfig } from '@event-bus/config';
import { discardDeadLetters, listLetters } from '@event-bus/operations';
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

interface DiscardOptions extends ChangeOptions {
  readonly reason: string;
}

/** `bus dlq discard` */
export function addDlqDiscard(dlq: Command): void {
  withChange(dlq.command('discard'))
    .summary('settle dead letters without handling them')
    .description(
      'Settles dead letters as discarded: their group will never handle them. What is known of them stays in the database, ' +
        'with the reason.',
    )
    .requiredOption('--reason <text>', 'why, for the record')
    .addHelpText('after', '\nExample:\n  $ bus dlq discard --fingerprint 5d41402a --reason "test tenant"')
    .action(async (eventIds: readonly string[] | undefined, options: DiscardOptions, command: Command) => {
      const selection = selectionToChange(command, eventIds ?? [], options);
      const env = loadConfig(changeConfig, process.env);
      await withConnections(async (connections) => {
        const db = await openLetters(connections, env.BUS_DATABASE_URL, selection);
        if (options.dryRun === true) {
          const { total } = await listLetters(db, { selection, states: ['dead'] }, 1);
          print(`${plural(Math.min(total, options.limit), 'dead letter')} would be discarded.`);
          return;
        }
        const mover = connections.redis(env.REDIS_URL).mover();
        const { operator, reason, limit } = options;
        const settled = await discardDeadLetters({ db, mover }, selection, { operator, reason, limit });
        print(settled === 0 ? 'No dead letter fits.' : `${plural(settled, 'dead letter')} discarded.`);
      });
    });
}
