import { loadConfig } from '@event-bus/config';
import { clusterLetters, type LetterCluster } from '@event-bus/operations';
import type { Command } from 'commander';
import { withConnections } from '../connections.ts';
import { age, plural, whyText } from '../format.ts';
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

interface GroupsOptions extends SelectionOptions {
  readonly limit: number;
  readonly json?: true;
}

/** `bus dlq groups` */
export function addDlqGroups(dlq: Command): void {
  withJson(withSelection(dlq.command('groups')))
    .summary('list the causes of dead letters, the most frequent first')
    .description('Puts open dead letters together that failed alike, and lists the largest heaps first.')
    .option('--limit <n>', 'at most so many', parseCount(1), 50)
    .addHelpText('after', '\nExample:\n  $ bus dlq groups --group welcome-email')
    .action(async (options: GroupsOptions) => {
      const env = loadConfig(lookConfig, process.env);
      const selection = toSelection(options);
      const { clusters, total } = await withConnections(async (connections) => {
        const db = await openLetters(connections, env.INBOX_DATABASE_URL, selection);
        return clusterLetters(db, { selection, states: ['dead', 'redriving'] }, options.limit);
      });
      if (options.json === true) printJson(clusters);
      else print(clusters.length === 0 ? 'No dead letters.' : clusterTable(clusters));
      if (total > clusters.length)
        printError(`${plural(total - clusters.length, 'more cause')}: raise --limit.`);
    });
}

function clusterTable(clusters: readonly LetterCluster[]): string {
  return table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'FINGERPRINT', text: ({ fingerprint }) => fingerprint },
      { title: 'LETTERS', text: ({ letters }) => String(letters), right: true },
      { title: 'REDRIVING', text: ({ redriving }) => String(redriving), right: true },
      { title: 'AGGREGATES', text: ({ aggregates }) => String(aggregates), right: true },
      { title: 'TYPES', text: ({ eventTypes }) => eventTypes.join(', ') },
      { title: 'LAST', text: ({ lastAt }) => `${age(lastAt)} ago` },
      {
        title: 'FOR EXAMPLE',
        text: whyText,
      },
    ],
    clusters,
  );
}
