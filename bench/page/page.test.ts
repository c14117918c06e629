import { expect, test } from 'vitest';
import type { Results, StoredAnswer } from '../harness/results.ts';
import { createAxis } from './axis.ts';
import { toSvg } from './chart.ts';
import { chartsOf } from './charts.ts';
import { fillPage } from './fill-page.ts';

const figure = (name: string, unit: string, median: number) => ({
  name,
  unit,
  median,
  min: median,
  max: median,
});
const atRate = (rate: number, p50: number) => ({
  name: `${rate} events/s`,
  events: 10,
  ratio: 1,
  figures: [
    figure('p50', 'ms', p50),
    figure('p95', 'ms', 2 * p50),
    figure('p99', 'ms', 3 * p50),
    figure('rate', 'events/s', rate),
  ],
});
const latency: StoredAnswer = {
  question: 'latency',
  title: 'How late',
  rounds: 3,
  variants: [
    atRate(1_000, 5),
    atRate(100, 2),
    { ...atRate(1_000, 15), name: '1000 events/s, a look every 20 ms, not woken' },
  ],
  software: [],
  leftOut: [],
  goals: [],
  at: '2026-02-03T04:05:06.000Z',
  loadAverageBefore: '0.10',
};
const machine = { cpu: 'Some CPU', cores: 2, node: '24.0.0', postgresql: '18.4', redis: '7.0.15' };
const results: Results = { machine, answers: [latency] };
const page =
  'Before.\n\n<!-- results: latency -->\nold\n<!-- end -->\n\nAfter.\n\n<!-- results: start -->\n<!-- end -->\n';

test('a page gets what was measured, and keeps the rest', () => {
  const filled = fillPage(page, results);

  expect(filled).toMatch(/^Before\.\n/);
  expect(filled).toContain('How late. Medians of 3 rounds, 2026-02-03, load before 0.10.');
  expect(filled).toContain('| 1000 events/s ');
  expect(filled).toContain('](performance/latency-by-rate.svg)');
  expect(filled).toContain('Not measured yet: `npm run bench -- start`.');
  expect(filled).not.toContain('old');
  expect(fillPage(filled, results)).toBe(filled);
});

test('percentiles are drawn against the rate, without what differs by more than that', () => {
  const chart = chartsOf(latency).get('latency-by-rate.svg');

  expect(chart?.lines.map(({ name, points }) => [name, points])).toEqual([
    [
      'p50',
      [
        [100, 2],
        [1_000, 5],
      ],
    ],
    [
      'p95',
      [
        [100, 4],
        [1_000, 10],
      ],
    ],
    [
      'p99',
      [
        [100, 6],
        [1_000, 15],
      ],
    ],
  ]);
});

test('a chart has its lines, labels and names, and no markup from them', () => {
  const svg = toSvg({
    title: 'a < b & c',
    x: { label: 'seconds', scale: 'linear' },
    y: { label: 'events', scale: 'linear' },
    lines: [
      {
        name: 'one',
        points: [
          [0, 0],
          [10, 10],
        ],
      },
    ],
  });

  expect(svg).toContain('a &lt; b &amp; c');
  expect(svg).toContain('<polyline points="76,345 676,40"');
  expect(svg).toContain('>one</text>');
});

test('axes begin and end at labels', () => {
  expect(createAxis([3, 97], 'linear').ticks).toEqual([0, 20, 40, 60, 80, 100]);
  expect(createAxis([0.7], 'linear').ticks.at(-1)).toBeCloseTo(0.8);
  expect(createAxis([3, 97], 'log').ticks).toEqual([2, 5, 10, 20, 50, 100]);
  expect(createAxis([10], 'log').ticks).toEqual([10, 20]);
});
