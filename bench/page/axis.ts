/** How an axis is divided. A logarithmic one has no zero. */
export type Scale = 'linear' | 'log';

/** Part of an axis: where it begins and ends, and where it is labelled. */
export interface Axis {
  readonly ticks: readonly number[];
  /** Where a value lies: 0 at the beginning of the axis, 1 at its end. */
  at(value: number): number;
}

const about = 6;

/** An axis that holds all values and ends at labels; a linear one begins at 0. */
export function createAxis(values: readonly number[], scale: Scale): Axis {
  const ticks = scale === 'linear' ? linearTicks(Math.max(...values)) : logTicks(values);
  const place = scale === 'linear' ? (value: number) => value : Math.log;
  const [from, to] = [place(ticks[0] ?? 0), place(ticks.at(-1) ?? 1)];
  return { ticks, at: (value) => (place(value) - from) / (to - from) };
}

/** From 0 past the highest value, in steps of 1, 2 or 5 of some power of ten. */
function linearTicks(highest: number): number[] {
  const rough = (highest || 1) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const steps = Math.ceil((highest || 1) / step);
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** 1, 2 and 5 of every power of ten, from below the lowest value to above the highest. */
function logTicks(values: readonly number[]): number[] {
  const positive = values.filter((value) => value > 0);
  const [lowest, highest] = [Math.min(...positive), Math.max(...positive)];
  const powers = [];
  for (let power = Math.floor(Math.log10(lowest)); power <= Math.ceil(Math.log10(highest)); power += 1)
    powers.push(power);
  const all = powers.flatMap((power) =>
    [1, 2, 5].map((factor) => Number((factor * 10 ** power).toPrecision(3))),
  );
  const first = all.findLastIndex((tick) => tick <= lowest);
  const last = all.findIndex((tick) => tick >= highest && tick > (all[first] ?? 0));
  return all.slice(first, last + 1);
}
