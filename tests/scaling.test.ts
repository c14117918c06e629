import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loads } from '../bench/capacity/loads.ts';
import { readMeasured } from '../bench/capacity/measured.ts';
import { fillIn, page } from '../bench/capacity/page.ts';
import { planFor } from '../bench/capacity/plan.ts';
import { tablesOf } from '../bench/capacity/tables.ts';

const cost = { program: 100, postgres: 50, redis: 10 };
const measured = {
  publish: cost,
  append: cost,
  handleByEvent: cost,
  handleByBatch: cost,
  handleInOrder: cost,
  handleInOrderByBatch: cost,
  machine: 'a machine',
  days: ['2026-01-01'],
};
const [small] = loads;
if (small === undefined) throw new Error('there is no load');

test('docs/scaling.md states what follows from the figures: npm run capacity', () => {
  const text = readFileSync(page, 'utf8');

  expect(fillIn(text, tablesOf(readMeasured()))).toBe(text);
});

test('a page that lost the place of a table is refused', () => {
  expect(() => fillIn('nothing', new Map([['plans', '| |']]))).toThrow('no place for the table "plans"');
});

test('a hundred times the rate takes a hundred times the cores, and a process for each core that is as busy as it may be', () => {
  const once = planFor({ ...small, peak: 1_000 }, measured);
  const tenfold = planFor({ ...small, peak: 100_000 }, measured);

  expect(tenfold.postgres.cores).toBeCloseTo(100 * once.postgres.cores);
  expect(once.workers).toMatchObject({ publishers: 2, runnersByEvent: 1, runnersByBatch: 1 });
  // 100,000 events/s of 100 us are ten cores, each of which may be busy for 60 %.
  expect(tenfold.workers).toMatchObject({ publishers: 18, runnersByEvent: 17, runnersByBatch: 17 });
});

test('a Redis whose core is too busy has no machine, and the whole no price', () => {
  const { redis, dollars } = planFor({ ...small, peak: 100_000 }, measured);

  expect(redis.node).toBeUndefined();
  expect(dollars).toMatchObject({ redis: undefined, all: undefined });
});
