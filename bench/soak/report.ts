import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../harness/machine.ts';
import { lineChart, type Series } from '../plot/line-chart.ts';
import type { Check } from './checks.ts';
import type { SoakOptions } from './options.ts';
import type { Soaked } from './run.ts';
import type { Sample } from './sampler.ts';
import type { Windows } from './windows.ts';

const words = new Map([
  [true, 'met'],
  [false, 'MISSED'],
  [undefined, 'not judged'],
]);

/** The checks as a table. */
export function toTable(checks: readonly Check[]): string {
  const rows = [
    ['check', '', 'found'],
    ...checks.map(({ name, met, found }) => [name, words.get(met), found]),
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => row.map((cell = '', column) => cell.padEnd(widths[column] ?? 0)).join('   '))
    .join('\n');
}

/** Writes all figures to `latest.json`, and the plots beside it. */
export async function store(
  { samples, latency, overload, checks }: Soaked,
  facts: { readonly options: SoakOptions; readonly windows: Windows; readonly machine: Machine },
): Promise<void> {
  const { out, ...options } = facts.options;
  await mkdir(out, { recursive: true });
  const figures = {
    at: new Date().toISOString(),
    machine: facts.machine,
    options,
    windowsInSeconds: facts.windows,
    checks,
    overload,
    latency,
    samples,
  };
  const plots = {
    'latency.svg': lineChart({
      title: 'From commit to handled, while the rate is held',
      x: 'time (s)',
      y: 'latency (ms)',
      series: (['p50', 'p95', 'p99'] as const).map((name) => ({
        name,
        points: latency.map((stretch) => [stretch.at, stretch[name]] as const),
      })),
    }),
    'memory.svg': lineChart({
      title: 'Memory of each process',
      x: 'time (s)',
      y: 'memory (MiB)',
      series: over(samples, Object.keys(samples.at(-1)?.memory ?? {}), (sample, name) =>
        sample.memory[name] === undefined ? undefined : sample.memory[name] / 1_024 ** 2,
      ),
    }),
    'backlog.svg': lineChart({
      title: 'What waits, in the outbox and for each group',
      x: 'time (s)',
      y: 'backlog (events)',
      series: [
        ...over(samples, ['unpublished'], ({ unpublished }) => unpublished),
        ...over(samples, Object.keys(samples.at(-1)?.waiting ?? {}), ({ waiting }, name) => waiting[name]),
      ],
    }),
    'windows.svg': lineChart({
      title: 'What streams and outbox hold',
      x: 'time (s)',
      y: 'events',
      series: [
        ...over(samples, ['entries in the streams'], ({ entries }) => entries),
        ...over(samples, ['rows in the outbox'], ({ rows }) => rows),
      ],
    }),
  };
  await writeFile(join(out, 'latest.json'), `${JSON.stringify(figures)}\n`);
  for (const [name, plot] of Object.entries(plots)) await writeFile(join(out, name), plot);
}

function over(
  samples: readonly Sample[],
  names: readonly string[],
  value: (sample: Sample, name: string) => number | undefined,
): Series[] {
  return names.map((name) => ({
    name,
    points: samples.flatMap((sample) => {
      const y = value(sample, name);
      return y === undefined || Number.isNaN(y) ? [] : [[sample.at, y] as const];
    }),
  }));
}
