import { loadConfig } from '@event-bus/config';
import { discardDeadLetters, previewDiscard } from '@event-bus/operations';
import type { Command } from 'commander';
import { confirm } from '../confirm.ts';
import { withConnections } from '../connections.ts';
import { plural } from '../format.ts';
import { openLetterFile } from '../letter-file.ts';
import { createProgressLine, print, printError, printJson } from '../output.ts';
import { describePreview, printPreview } from './dlq-preview.ts';
import {
  type ChangeOptions,
  changeConfig,
  openLetters,
  selectionOfMany,
  withChange,
} from './dlq-selection.ts';

interface DiscardOptions extends ChangeOptions {
  readonly to?: string;
  readonly yes?: true;
}

/** `bus dlq discard` */
export function addDlqDiscard(dlq: Command): void {
  withChange(dlq.command('discard'))
    .summary('settle dead letters without handling them')
    .description(
      'Settles dead letters as discarded: their group will never handle them. First they are written to a file, whole, from ' +
        'which `bus dlq import` brings them back. Killed, it may be run again with the same file. What is known of them stays in ' +
        'the database too, with the reason, until it is cleaned up.',
    )
    .option('--to <file>', 'where they are kept; a file of an earlier run is gone on with')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExample:\n  $ bus dlq discard --fingerprint 5d41402a --reason "test tenant" --to discarded.ndjson',
    )
    .action(async (eventIds: readonly string[] | undefined, options: DiscardOptions, command: Command) => {
      const selection = selectionOfMany(command, eventIds, options);
      const { operator, reason = '', limit, to = '', yes, json } = options;
      if (reason.trim() === '' && options.dryRun === undefined)
        command.error('error: say why, with --reason');
      if (to === '' && options.dryRun === undefined) {
        command.error('error: say where they are to be kept, with --to <file>');
      }
      const env = loadConfig(changeConfig, process.env);
      await withConnections(async (connections) => {
        const db = await openLetters(connections, env.INBOX_DATABASE_URL, selection);
        const preview = await previewDiscard({ db }, selection, limit);
        if (options.dryRun === true) return printPreview(preview, 'discarded', json);
        if (preview.letters > 0 && yes === undefined) {
          printError(describePreview(preview, 'to be discarded').join('\n'));
          if (!(await confirm(command, `Write them to ${to} and discard them?`))) {
            throw new Error('nothing was discarded');
          }
        }
        const mover = connections.redis(env.REDIS_URL).mover();
        const file = await openLetterFile(to);
        const progress = createProgressLine();
        try {
          const discarded = await discardDeadLetters({ db, mover }, selection, {
            operator,
            reason,
            limit,
            keep: (letters) => file.append(letters),
            onProgress: (count) => progress.show(`${plural(count, 'dead letter')} discarded`),
          });
          progress.clear();
          if (json === true) printJson({ discarded });
          else
            print(
              discarded === 0 ? 'No dead letter fits.' : `${plural(discarded, 'dead letter')} discarded.`,
            );
        } finally {
          await file.close();
        }
      });
    });
}
