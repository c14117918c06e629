import type { Answer, VariantResult } from '../harness/rounds.ts';
import type { Chart, Line } from './chart.ts';

/** The charts that can be drawn from the answer to a question, by their file names. */
export function chartsOf(answer: Answer): ReadonlyMap<string, Chart> {
  const charts = { growth: growthCharts, latency: latencyCharts }[answer.question];
  const drawable = Object.entries(charts?.(answer.variants) ?? {}).filter(([, { lines }]) =>
    lines.some(({ points }) => points.length > 1),
  );
  return new Map(drawable);
}

function latencyCharts(variants: readonly VariantResult[]): Record<string, Chart> {
  // Only those that differ by nothing but their rate.
  const steady = variants.filter(({ name }) => /^\d+ events\/s$/.test(name));
  return {
    'latency-by-rate.svg': {
      title: 'From the commit of an insert to the commit of its handler',
      x: { label: 'events per second', scale: 'log' },
      y: { label: 'milliseconds', scale: 'log' },
      lines: ['p50', 'p95', 'p99'].map((name) => lineOf(name, steady, 'rate', name)),
    },
  };
}

function growthCharts(variants: readonly VariantResult[]): Record<string, Chart> {
  const drains = variants.filter(({ name }) => /^nothing before|published before$/.test(name));
  const byPast = drains.filter(({ name }) => !name.includes('snapshot'));
  return {
    'drain-by-time.svg': {
      title: 'A publisher draining a backlog',
      x: { label: 'seconds since the first entry', scale: 'linear' },
      y: { label: 'events per second', scale: 'linear' },
      lines: drains.map(({ name, course }) => ({ name, points: course ?? [] })),
    },
    'drain-by-history.svg': {
      title: 'The rate of a drain, by how much was published before',
      x: { label: 'events published before', scale: 'linear' },
      y: { label: 'events per second', scale: 'linear' },
      lines: [lineOf('outbox-publisher', byPast, 'past', 'rate')],
    },
  };
}

function lineOf(name: string, variants: readonly VariantResult[], x: string, y: string): Line {
  const points = variants.flatMap(({ figures }) => {
    const [at, value] = [x, y].map((wanted) => figures.find((figure) => figure.name === wanted)?.median);
    return at === undefined || value === undefined ? [] : [[at, value] as const];
  });
  return { name, points: points.toSorted((a, b) => a[0] - b[0]) };
}
