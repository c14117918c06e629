import type { RedriveReport } from '@event-bus/operations';
import { plural, whyText } from '../format.ts';
import { table } from '../table.ts';

/** Whether all that was selected, up to the limit, is handled. */
export function isComplete({ end, deadAgain, waiting, behind }: RedriveReport): boolean {
  return end === 'complete' && deadAgain + waiting + behind === 0;
}

/** What became of a redrive, for people. */
export function describeRedrive(report: RedriveReport, waited: boolean): string {
  const { letters, handled, deadAgain, waiting, discarded, left, behind } = report;
  const lines: string[] = [];
  if (letters === 0) lines.push(left + behind === 0 ? 'No dead letter fits.' : 'Nothing was handed over.');
  else if (!waited) {
    lines.push(
      `${plural(letters, 'dead letter')} handed to the runners. \`bus dlq list\` lists what is not done yet.`,
    );
  } else {
    lines.push(
      `${plural(letters, 'dead letter')} redriven: ${handled} handled, ${deadAgain} dead again, ${waiting} waiting.`,
    );
  }
  if (discarded > 0) lines.push(`${discarded} of them were discarded meanwhile.`);
  if (deadAgain > 0) lines.push(failureTable(report));
  if (deadAgain > report.failed.length) lines.push(`… and ${deadAgain - report.failed.length} more`);
  lines.push(...describeEnd(report, waited));
  return lines.join('\n');
}

function* describeEnd({ end, waiting, left, behind }: RedriveReport, waited: boolean): Iterable<string> {
  if (end === 'stopped') yield `Stopped, because one failed again: ${plural(left, 'letter')} left alone.`;
  else if (end === 'interrupted') yield `Interrupted: ${plural(left, 'letter')} left alone.`;
  else if (left > 0) yield `${plural(left, 'more letter')} of the selection left alone.`;
  if (waited && waiting > 0) {
    yield 'What waits is handled as soon as a runner of its group gets to it: `bus groups` says whether one runs.';
  }
  if (behind > 0) {
    yield `${plural(behind, 'letter')} of the selection wait behind earlier dead letters of their aggregates.`;
  }
}

function failureTable({ failed }: RedriveReport): string {
  return table(
    [
      { title: 'GROUP', text: ({ group }) => group },
      { title: 'EVENT', text: ({ eventId }) => eventId },
      { title: 'AGGREGATE', text: ({ aggregateType, aggregateId }) => `${aggregateType}/${aggregateId}` },
      { title: 'REDRIVES', text: ({ redrives }) => String(redrives), right: true },
      {
        title: 'REASON',
        text: whyText,
      },
    ],
    failed,
  );
}
