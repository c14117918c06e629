import { describe, expect, test } from 'vitest';
import { courseOf } from './course.ts';
import { formatValue, summarise } from './figure.ts';
import { GoalUnknownError, judge, toVerdict } from './goals.ts';
import { toReport } from './report.ts';
import type { Answer } from './rounds.ts';

const ms = (name: string, value: number) => ({ name, unit: 'ms', value });
const summary = (name: string, unit: string, median: number) => ({
  name,
  unit,
  median,
  min: median,
  max: median,
});
const variants = [
  { name: 'usual', events: 10, ratio: 1, figures: [summary('p50', 'ms', 4), summary('p99', 'ms', 20)] },
  {
    name: 'busy',
    events: 10,
    ratio: 2,
    figures: [summary('p50', 'ms', 8), summary('rate', 'events/s', 950)],
  },
];

test('each figure is summarised over all rounds, in the order in which it is first seen', () => {
  const rounds = [[ms('p50', 3), ms('p99', 9)], [ms('p50', 1)], [ms('p50', 2), ms('p99', 7)]];

  expect(summarise(rounds)).toEqual([
    { name: 'p50', unit: 'ms', median: 2, min: 1, max: 3 },
    { name: 'p99', unit: 'ms', median: 7, min: 7, max: 9 },
  ]);
});

describe('a goal', () => {
  test('without a figure is about the first one', () => {
    const goal = judge({ variant: 'busy', over: 'usual', atLeast: 1.5 }, variants);

    expect(goal).toMatchObject({ figure: 'p50', reached: 2, met: true });
    expect(toVerdict(goal)).toBe('p50 of busy is 2 times that of usual; the goal is at least 1.5');
  });

  test('without another variant is about the figure itself', () => {
    const goal = judge({ variant: 'usual', figure: 'p99', atMost: 19 }, variants);

    expect(goal).toMatchObject({ reached: 20, met: false });
    expect(toVerdict(goal)).toBe('p99 of usual is 20 ms; the goal is at most 19');
  });

  test('is met on its bound', () => {
    expect(judge({ variant: 'usual', figure: 'p99', atMost: 20 }, variants).met).toBe(true);
    expect(judge({ variant: 'usual', figure: 'p99', atLeast: 20 }, variants).met).toBe(true);
  });

  test('that nobody measured is refused', () => {
    expect(() => judge({ variant: 'busy', figure: 'p99', atMost: 20 }, variants)).toThrow(GoalUnknownError);
  });
});

test('a report has a column for every figure, and leaves empty what a variant was not measured by', () => {
  const goals = [judge({ variant: 'usual', figure: 'p99', atMost: 19 }, variants)];
  const answer: Answer = {
    question: 'wait',
    title: 'How long',
    rounds: 1,
    variants,
    software: [],
    leftOut: [],
    goals,
  };

  expect(toReport(answer).split('\n')).toEqual([
    'How long',
    '',
    '| variant | events | p50, ms | min-max | ratio | p99, ms | rate, events/s |',
    '| ------- | -----: | ------: | ------: | ----: | ------: | -------------: |',
    '| usual   |     10 |       4 |     4-4 |     1 |      20 |                |',
    '| busy    |     10 |       8 |     8-8 |     2 |         |            950 |',
    '',
    'MISSED p99 of usual is 20 ms; the goal is at most 19',
  ]);
});

test('figures are shown with three digits where they are small, and whole where they are large', () => {
  expect([0.123, 1.234, 12.34, 123.4, 12_345.6].map(formatValue)).toEqual([
    '0.12',
    '1.23',
    '12.3',
    '123',
    '12,346',
  ]);
});

test('looks at a progress become rates over equal spans of time', () => {
  const looks = Array.from({ length: 41 }, (_, index) => [1_000 + index * 10, index * 5] as const);

  expect(courseOf(looks)).toEqual([
    [0.05, 500],
    [0.15, 500],
    [0.25, 500],
    [0.35, 500],
  ]);
  expect(courseOf(looks.slice(0, 20))).toBeUndefined();
});
