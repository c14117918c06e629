import { formatValue } from './figure.ts';
import { toVerdict } from './goals.ts';
import type { Answer, VariantResult } from './rounds.ts';
import { toMarkdown } from './table.ts';

/** The answer as a table, and what became of the goals. */
export function toReport({ title, variants, goals }: Answer): string {
  const judged = goals.map((goal) => `${goal.met ? 'met   ' : 'MISSED'} ${toVerdict(goal)}`);
  return [title, '', tableOf(variants), '', ...judged].join('\n');
}

/** The median of every figure, and of the first also how far the rounds lie apart and how it compares. */
export function tableOf(variants: readonly VariantResult[]): string {
  const units = new Map(variants.flatMap(({ figures }) => figures.map(({ name, unit }) => [name, unit])));
  const [first = '', ...others] = [...units.keys()];
  const heading = (name: string) => [name, units.get(name)].filter(Boolean).join(', ');
  const rows = variants.map(({ name, events, figures, ratio }) => {
    const figure = (wanted: string) => figures.find((one) => one.name === wanted);
    const median = (wanted: string) => show(figure(wanted)?.median);
    const compared = figure(first);
    const range = compared === undefined ? '' : `${formatValue(compared.min)}-${formatValue(compared.max)}`;
    return [
      name,
      events === 0 ? '' : formatValue(events),
      median(first),
      range,
      compared === undefined ? '' : show(ratio),
      ...others.map(median),
    ];
  });
  return toMarkdown(['variant', 'events', heading(first), 'min-max', 'ratio', ...others.map(heading)], rows);
}

function show(value: number | undefined): string {
  return value === undefined ? '' : formatValue(value);
}
