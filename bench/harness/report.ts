import type { Answer, VariantResult } from './rounds.ts';

const rate = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const headings = [
  'variant',
  'events',
  'events/s',
  'min-max',
  'ratio',
  'CPU us/event: program',
  'postgres',
  'redis or broker',
];

function toRow({ name, events, eventsPerSecond, ratio, cpuPerEvent }: VariantResult): string[] {
  const { median, min, max } = eventsPerSecond;
  const cpu = cpuPerEvent && [cpuPerEvent.program, cpuPerEvent.postgres, cpuPerEvent.redis];
  return [
    name,
    rate.format(events),
    rate.format(median),
    `${rate.format(min)}-${rate.format(max)}`,
    ratio.toFixed(2),
    ...(cpu ?? []).map((time) => time.toFixed(1)),
  ];
}

/** The answer as a table in Markdown, which also reads well in a terminal. */
export function toTable({ title, variants, software, leftOut, goals }: Answer): string {
  const rows = [headings, ...variants.map(toRow)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const toLine = (row: readonly string[]) =>
    `| ${widths.map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width))).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const judged = goals.map(
    ({ variant, over, atLeast, reached, met }) =>
      `${met ? 'met   ' : 'MISSED'} ${variant} is ${reached.toFixed(2)} times ${over}; the goal is ${atLeast}`,
  );
  const compared = software.length === 0 ? [] : [`Compared with ${software.join(', ')}`];
  const missing = leftOut.map(({ variant, why }) => `Left out: ${variant}. ${why.split('\n', 1)[0] ?? ''}`);
  const notes = [...compared, ...missing, ...judged];
  return [title, '', toLine(head), rule, ...body.map(toLine), '', ...notes].join('\n');
}
