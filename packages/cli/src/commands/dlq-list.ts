import { loadConfig } from '@event-bus/config';
import { type LetterRecord, listLetters } from '@event-bus/operations';
import type { Command } from 'commander';
import { withConnections } from '../connections.ts';
import { age, plural, text, whyText } from '../format.ts';
import { parseCount, withJson } from '../options.ts';
import { print, printError, printJson } from '../output.ts';
import { table } from '../table.ts';
import {
  lookConfig,
  openLetters,
  type SelectionOptions,
  toSelection,
  withSelection,
} from './dlq-selection.ts';

interface ListOptions extends SelectionOptions {
  readonly settled?: true;
  readonly limit: number;
  readonly json?: true;
}

/** `bus dlq list` */
export function addDlqList(dlq: Command): void {
  withJson(withSelection(dlq.command('list')))
    .summary('list dead letters, the newest first')
    .description('Lists what consumer groups gave up and nobody has settled yet, the newest first.')
    .option('--settled', 'those that were handled after all or discarded, instead')
    .option('--limit <n>', 'at most so many', parseCount(1), 50)
    .addHelpText('after', '\nExample:\n  $ bus dlq list --group welcome-email')
    .action(async (options: ListOptions) => {
      const env = loadConfig(lookConfig, process.env);
      const selection = toSelection(options);
      const { letters, total } = await withConnections(async (connections) => {
        const db = await openLetters(connections, env.INBOX_DATABASE_URL, selection);
        const states = options.settled ? (['done', 'discarded'] as const) : (['dead', 'redriving'] as const);
        return listLetters(db, { selection, states }, options.limit);
      });
      if (options.json === true) printJson(letters);
      else print(letters.length === 0 ? 'No dead letters.' : letterTable(letters));
      if (total > letters.length)
        printError(`${plural(total - letters.length, 'more letter')}: raise --limit.`);
    });
}

function letterTable(letters: readonly LetterRecord[]): string {
  return table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'EVENT', text: ({ eventId }) => eventId },
      { title: 'TYPE', text: ({ eventType }) => text(eventType) },
      { title: 'AGGREGATE', text: ({ aggregateType, aggregateId }) => `${aggregateType}/${aggregateId}` },
      { title: 'STATE', text: ({ state }) => state },
      { title: 'ATTEMPTS', text: ({ attempts }) => String(attempts), right: true },
      { title: 'DEAD', text: ({ deadAt }) => `${age(new Date(deadAt))} ago` },
      { title: 'REASON', text: whyText },
    ],
    letters,
  );
}
