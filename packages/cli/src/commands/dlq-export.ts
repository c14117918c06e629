import { loadConfig } from '@event-bus/config';
import { exportLetters } from '@event-bus/operations';
import type { Command } from 'commander';
import { withConnections } from '../connections.ts';
import { plural } from '../format.ts';
import { writeLetters } from '../letter-file.ts';
import { printError } from '../output.ts';
import { lookConfig, type ManyOptions, openLetters, selectionOfMany, withMany } from './dlq-selection.ts';

interface ExportOptions extends ManyOptions {
  readonly to?: string;
}

/** `bus dlq export` */
export function addDlqExport(dlq: Command): void {
  withMany(dlq.command('export'))
    .summary('write dead letters to a file')
    .description(
      'Writes open dead letters whole, one JSON object a line, in the order of their events. `bus dlq import` brings them back. ' +
        'They hold payloads, which may be personal data.',
    )
    .option('--to <file>', 'a new file; standard output unless given')
    .addHelpText('after', '\nExample:\n  $ bus dlq export --all --to letters.ndjson')
    .action(async (eventIds: readonly string[] | undefined, options: ExportOptions, command: Command) => {
      const selection = selectionOfMany(command, eventIds, options);
      const env = loadConfig(lookConfig, process.env);
      const count = await withConnections(async (connections) => {
        const db = await openLetters(connections, env.INBOX_DATABASE_URL, selection);
        return writeLetters(exportLetters({ db }, selection, options.limit), options.to);
      });
      printError(`${plural(count, 'dead letter')} written.`);
    });
}
