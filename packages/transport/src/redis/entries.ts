import type { StreamEntry } from '../entry.ts';

/** An entry as the server replies it: its ID, then names and values in turn. */
export type RawEntry = readonly [id: string, fields: readonly string[]];

/** What XINFO replies of one thing: names and values in turn. */
export type RawInfo = readonly (string | number | null)[];

/** Turns alternating names and values into an object; a name that comes twice keeps its last value. */
export function pairs<Value>(flat: readonly Value[]): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) found[String(flat[i])] = flat[i + 1] as Value;
  return found;
}

/** Turns replied entries into entries. */
export function toEntries(raw: readonly RawEntry[] | null): StreamEntry[] {
  return (raw ?? []).map(([id, fields]) => ({ id, fields: pairs(fields) }));
}
