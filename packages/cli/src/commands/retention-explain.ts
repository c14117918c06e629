import type { RetentionView } from '@event-bus/operations';
import type { Command } from 'commander';
import type { SetStatus } from '../exit-status.ts';
import { plural, text } from '../format.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';
import { loadViews } from './retention-view.ts';

/** `bus retention explain` */
export function addRetentionExplain(retention: Command, setStatus: SetStatus): void {
  withJson(retention.command('explain'))
    .summary('what stands against trimming each stream')
    .description(
      'Lists, stream by stream, all that stands against trimming: the hot window, the archive, each group and each source. ' +
        'KEEPS FROM is the lowest entry ID that has to stay for it ("0-0" keeps everything). The strictest comes first: it binds.',
    )
    .option('--topic <name>', 'only the streams of this topic')
    .addHelpText('after', '\nExample:\n  $ bus retention explain --topic user')
    .action(async ({ topic, json }: { readonly topic?: string; readonly json?: true }) => {
      const views = await loadViews(topic, setStatus);
      if (json === true)
        printJson((views ?? []).map(({ stream, firstId, terms }) => ({ stream, firstId, terms })));
      else print(views?.map(explain).join('\n\n') ?? 'No topic is registered.');
    });
}

function explain({ stream, length, firstId, terms }: RetentionView): string {
  if (firstId === null) return `${stream} is empty.`;
  const rows = terms.map((term, index) => ({ ...term, binds: index === 0 }));
  const lines = table(
    [
      { title: '', text: ({ binds }) => (binds ? '*' : '') },
      { title: 'TERM', text: ({ kind }) => kind },
      { title: 'OF', text: ({ name }) => text(name) },
      { title: 'KEEPS FROM', text: ({ keepFrom }) => keepFrom },
      { title: 'BECAUSE', text: ({ why }) => why },
    ],
    rows,
  );
  return `${stream}: ${plural(length, 'entry', 'entries')} from ${firstId} on. * binds.\n${lines}`;
}
