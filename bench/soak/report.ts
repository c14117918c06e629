import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../harness/machine.ts';
import { type Chart, type Line, toSvg } from '../page/chart.ts';
import type { Check } from './checks.ts';
import type { SoakOptions } from './options.ts';
import type { Soaked } from './run.ts';
import type { Sample } from './sampler.ts';
import type { Windows } from './windows.ts';

const MiB = 1_024 ** 2;
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
  soaked: Soaked,
  facts: { readonly options: SoakOptions; readonly windows: Windows; readonly machine: Machine },
): Promise<void> {
  const { out, ...options } = facts.options;
  await mkdir(out, { recursive: true });
  const figures = {
    at: new Date().toISOString(),
    machine: facts.machine,
    options,
    windowsInSeconds: facts.windows,
    checks: soaked.checks,
    overload: soaked.overload,
    latency: soaked.latency,
    samples: soaked.samples,
  };
  await writeFile(join(out, 'latest.json'), `${JSON.stringify(figures)}\n`);
  for (const [name, chart] of Object.entries(chartsOf(soaked)))
    await writeFile(join(out, name), toSvg(chart));
}

/** By the names of their files. */
function chartsOf({ samples, latency }: Soaked): Record<string, Chart> {
  const x = { label: 'seconds', scale: 'linear' } as const;
  const { memory = {}, waiting = {} } = samples.at(-1) ?? {};
  return {
    'latency.svg': {
      title: 'From commit to handled, while the rate is held',
      x,
      y: { label: 'milliseconds', scale: 'log' },
      lines: (['p50', 'p95', 'p99'] as const).map((name) => ({
        name,
        points: latency.map((stretch) => [stretch.at, stretch[name]] as const),
      })),
    },
    'memory.svg': {
      title: 'Memory of each process',
      x,
      y: { label: 'MiB', scale: 'linear' },
      lines: Object.keys(memory).map((name) =>
        lineOf(name, samples, (sample) => (sample.memory[name] ?? Number.NaN) / MiB),
      ),
    },
    'backlog.svg': {
      title: 'What waits, in the outbox and for each group',
      x,
      y: { label: 'events', scale: 'linear' },
      lines: [
        lineOf('outbox', samples, ({ unpublished }) => unpublished),
        ...Object.keys(waiting).map((name) =>
          lineOf(name, samples, (sample) => sample.waiting[name] ?? Number.NaN),
        ),
      ],
    },
    'windows.svg': {
      title: 'What streams and outbox hold',
      x,
      y: { label: 'events', scale: 'linear' },
      lines: [
        lineOf('entries in the streams', samples, ({ entries }) => entries),
        lineOf('rows in the outbox', samples, ({ rows }) => rows),
      ],
    },
  };
}

const mostPoints = 150;

/** A line of no more points than can be told apart. */
function lineOf(name: string, samples: readonly Sample[], value: (sample: Sample) => number): Line {
  const every = Math.ceil(samples.length / mostPoints);
  const points = samples
    .filter((_, index) => index % every === 0)
    .map((sample) => [sample.at, value(sample)] as const);
  return { name, points: points.filter(([, y]) => !Number.isNaN(y)) };
}
