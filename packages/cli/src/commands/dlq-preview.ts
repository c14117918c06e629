import type { ChangePreview } from '@event-bus/operations';
import { oneLine, plural } from '../format.ts';
import { print, printJson } from '../output.ts';
import { table } from '../table.ts';

/** Prints what would be done to letters, and that nothing was. */
export function printPreview(
  preview: ChangePreview,
  done: string,
  json: true | undefined,
  more: string[] = [],
): void {
  if (json === true) printJson(preview);
  else print([...describePreview(preview, `would be ${done}`), ...more, 'Nothing was changed.'].join('\n'));
}

/** What is to be done to letters. */
export function describePreview(preview: ChangePreview, done: string): string[] {
  const { letters, aggregates, causes, first, behind, redriving } = preview;
  const lines = [`${plural(letters, 'dead letter')} of ${plural(aggregates, 'aggregate')} ${done}.`];
  if (redriving > 0) lines.push(`${redriving} more of the selection are being redriven already.`);
  if (behind > 0)
    lines.push(`${behind} of the selection wait behind earlier dead letters of their aggregates.`);
  if (letters === 0) return lines;
  const causeTable = table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'FINGERPRINT', text: ({ fingerprint }) => fingerprint },
      { title: 'LETTERS', text: (cause) => String(cause.letters), right: true },
      { title: 'FOR EXAMPLE', text: ({ error }) => oneLine(error) },
    ],
    causes,
  );
  const letterTable = table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'EVENT', text: ({ eventId }) => eventId },
      { title: 'TYPE', text: ({ eventType }) => eventType },
      { title: 'AGGREGATE', text: ({ aggregateType, aggregateId }) => `${aggregateType}/${aggregateId}` },
    ],
    first,
  );
  const others = letters > first.length ? [`… and ${letters - first.length} more, in this order`] : [];
  return [...lines, '', causeTable, '', letterTable, ...others, ''];
}
