/** Positions from `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Joins ascending positions to ranges. */
export function toRanges(positions: readonly number[]): Range[] {
  const ranges: { first: number; last: number }[] = [];
  for (const position of positions) {
    const current = ranges.at(-1);
    if (current !== undefined && position === current.last + 1) current.last = position;
    else ranges.push({ first: position, last: position });
  }
  return ranges;
}

/** A literal of PostgreSQL's int8multirange. */
export function toMultirange(ranges: readonly Range[]): string {
  return `{${ranges.map(({ first, last }) => `[${first},${last}]`).join(',')}}`;
}

/** What of `range` is left when ascending positions within it are taken out. */
export function without(range: Range, positions: readonly number[]): Range[] {
  const rest: Range[] = [];
  let first = range.first;
  for (const position of positions) {
    if (position > first) rest.push({ first, last: position - 1 });
    first = position + 1;
  }
  if (first <= range.last) rest.push({ first, last: range.last });
  return rest;
}

/** What is left of ranges that are read one after the other, up to a position in one of them. */
export function after(position: number, ranges: readonly Range[]): Range[] {
  const at = ranges.findIndex(({ first, last }) => first <= position && position <= last);
  const [current, ...rest] = ranges.slice(at);
  if (current === undefined) return [];
  return position < current.last ? [{ first: position + 1, last: current.last }, ...rest] : rest;
}

/** How many positions there are in ranges. */
export function count(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
