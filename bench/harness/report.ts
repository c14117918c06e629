import { formatValue } from './figure.ts';
import { toVerdict } from './goals.ts';
import type { Answer, VariantResult } from './rounds.ts';
import { toMarkdown } from './table.ts';

/** The answer as a table, and what became of the goals. */
export function toReport(answer: Answer): string {
  const judged = answer.goals.map((goal) => `${goal.met ? 'met   ' : 'MISSED'} ${toVerdict(goal)}`);
  return [answer.title, '', tableOf(answer.variants), '', ...notesOf(answer), ...judged].join('\n');
}

/** Which software of others was run, and what of it could not be. */
export function notesOf({ software, leftOut }: Pick<Answer, 'software' | 'leftOut'>): string[] {
  const compared = software.length === 0 ? [] : [`Compared with ${software.join(', ')}.`];
  return [
    ...compared,
    ...leftOut.map(({ variant, why }) => `Left out: ${variant}. ${why.split('\n', 1)[0] ?? ''}`),
  ];
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
