import type { RetentionView } from '@event-bus/operations';
import type { Command } from 'commander';
import type { SetStatus } from '../exit-status.ts';
import { age, durationOrNone, size, text } from '../format.ts';
import { withJson } from '../options.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';
import { loadViews } from './retention-view.ts';

/** `bus retention status` */
export function addRetentionStatus(retention: Command, setStatus: SetStatus): void {
  withJson(retention.command('status'))
    .summary('how far each stream is archived and trimmed')
    .description(
      'Lists every stream of every registered topic.\n' +
        'ARCHIVED TO is the last entry that is verified in the archive, AGE when that was recorded, UNARCHIVED how old the ' +
        'oldest entry is that is not, TRIMMED TO the last entry that was trimmed. BLOCKED BY names the groups that keep ' +
        'entries which could be trimmed otherwise, and for how long they have.',
    )
    .option('--topic <name>', 'only the streams of this topic')
    .addHelpText('after', '\nExample:\n  $ bus retention status --topic user')
    .action(async ({ topic, json }: { readonly topic?: string; readonly json?: true }) => {
      const views = await loadViews(topic, setStatus);
      if (json === true) printJson(views ?? []);
      else print(views === undefined ? 'No topic is registered.' : statusTable(views));
    });
}

function statusTable(views: readonly RetentionView[]): string {
  return table(
    [
      { title: 'STREAM', text: ({ stream }) => stream },
      { title: 'LENGTH', text: ({ length }) => String(length), right: true },
      { title: 'SIZE', text: ({ bytes }) => size(bytes), right: true },
      { title: 'ARCHIVED TO', text: ({ archivedTo }) => text(archivedTo) },
      { title: 'AGE', text: ({ archivedAt }) => age(archivedAt), right: true },
      { title: 'UNARCHIVED', text: unarchived, right: true },
      { title: 'TRIMMED TO', text: ({ trimmedTo }) => text(trimmedTo) },
      { title: 'BLOCKED BY', text: blockers },
    ],
    views,
  );
}

function unarchived({ archiveLagMs }: RetentionView): string {
  return durationOrNone(archiveLagMs === 0 ? null : archiveLagMs);
}

function blockers({ blockedBy }: RetentionView): string {
  return text(blockedBy.map(({ group, since }) => `${group} (${age(since)})`).join(', '));
}
