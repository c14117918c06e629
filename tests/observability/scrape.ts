/** One time series as a service tells it. */
export interface Sample {
  readonly name: string;
  /** As they stand between the braces. */
  readonly labels: string;
  readonly value: number;
  /** Of a counter or a histogram: it only grows. */
  readonly grows: boolean;
}

/** The samples of Prometheus' text format. */
export function parseMetrics(text: string): Sample[] {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const isGrowing = (name: string) =>
    types.get(name) === 'counter' || types.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram';
  return [...text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value = '']) => ({
      name,
      labels,
      value: Number(value),
      grows: isGrowing(name),
    }),
  );
}

/** The names of the labels of a sample. */
export function labelNames({ labels }: Sample): string[] {
  return [...labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, name = '']) => name);
}

/** The value of the first sample of this name whose labels contain the text. */
export function valueIn(text: string, name: string, label = ''): number | undefined {
  return parseMetrics(text).find((sample) => sample.name === name && sample.labels.includes(label))?.value;
}
