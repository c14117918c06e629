/** Positions from `first` to `last`, both included. */
export interface PositionRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Where a group that starts 'now' begins with the events of one source. */
export interface StartPosition {
  /** The last position that stood in the group's streams when it was first registered. */
  readonly position: bigint;
  /** What below it did not, ascending: not all there is, but what was looked for. */
  readonly missing: readonly PositionRange[];
}

/** As it stands in the registry: '12', or with what is missing. */
export type StoredStartPosition = string | { readonly position: string; readonly missing: string };

/** Writes a start position for the registry. */
export function storeStartPosition({ position, missing }: StartPosition): StoredStartPosition {
  if (missing.length === 0) return String(position);
  return {
    position: String(position),
    missing: missing.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(','),
  };
}

/** Reads what {@link storeStartPosition} wrote. */
export function restoreStartPosition(stored: StoredStartPosition): StartPosition {
  if (typeof stored === 'string') return { position: BigInt(stored), missing: [] };
  const missing = stored.missing.split(',').map((range) => {
    const [first = '', last = first] = range.split('-');
    return { first: BigInt(first), last: BigInt(last) };
  });
  return { position: BigInt(stored.position), missing };
}

/** Whether an event stood in the streams when the group began: nothing to handle. */
export function standsBefore({ position, missing }: StartPosition, wanted: bigint): boolean {
  return wanted <= position && !isIn(missing, wanted);
}

function isIn(ranges: readonly PositionRange[], position: bigint): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const range = ranges[middle];
    if (range === undefined || position < range.first) high = middle;
    else if (position > range.last) low = middle + 1;
    else return true;
  }
  return false;
}
