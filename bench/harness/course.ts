import type { Course } from './question.ts';

const longestPoints = 60;
const shortestMs = 100;

/** How far something was, when: milliseconds, and events done by then. */
export type Sample = readonly [atMs: number, done: number];

/** Turns looks at a progress into rates over equal spans of time; `undefined` if there was not time for three. */
export function courseOf(samples: readonly Sample[]): Course | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const spanMs = Math.max(shortestMs, (last[0] - first[0]) / longestPoints);
  const points: [number, number][] = [];
  let [fromMs, doneBefore] = first;
  for (const [atMs, done] of samples) {
    if (atMs - fromMs < spanMs) continue;
    const middleMs = (fromMs + atMs) / 2 - first[0];
    points.push([round(middleMs / 1000), round((done - doneBefore) / ((atMs - fromMs) / 1000))]);
    [fromMs, doneBefore] = [atMs, done];
  }
  return points.length < 3 ? undefined : points;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
