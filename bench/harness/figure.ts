/** Something that was measured. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
}

/** A figure over all rounds. */
export interface FigureSummary {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Events in a time. */
export function rateFigure(events: number, seconds: number): Figure {
  return { name: 'rate', unit: 'events/s', value: events / seconds };
}

/** Each figure of the runs over all of them, in the order in which they are first seen. */
export function summarise(runs: readonly (readonly Figure[])[]): FigureSummary[] {
  const byName = new Map<string, Figure[]>();
  for (const figure of runs.flat()) byName.set(figure.name, [...(byName.get(figure.name) ?? []), figure]);
  return [...byName.values()].flatMap((figures) => {
    const values = figures.map(({ value }) => value).toSorted((a, b) => a - b);
    const [first] = figures;
    const [min = 0, max = 0, median = 0] = [values[0], values.at(-1), middleOf(values)];
    return first === undefined ? [] : [{ name: first.name, unit: first.unit, median, min, max }];
  });
}

/** The item in the middle; the lower one of two. */
export function middleOf<Item>(sorted: readonly Item[]): Item | undefined {
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** A figure for people: three digits where it is small, whole where it is large. */
export function formatValue(value: number): string {
  const size = Math.abs(value);
  const maximumFractionDigits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return new Intl.NumberFormat('en', { maximumFractionDigits }).format(value);
}
