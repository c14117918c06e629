function parts(id: string): [number, number] {
  const [ms, sequence] = id.split('-');
  return [Number(ms), Number(sequence ?? 0)];
}

/**
 * Orders entry IDs as a stream does: negative if `a` comes first, 0 if they are the same. Exact for every ID, whose
 * numbers have up to 64 bits.
 */
export function compareEntryIds(a: string, b: string): number {
  const [msOfA = '', sequenceOfA = '0'] = a.split('-');
  const [msOfB = '', sequenceOfB = '0'] = b.split('-');
  return compareNumerals(msOfA, msOfB) || compareNumerals(sequenceOfA, sequenceOfB);
}

/** Without leading zeros, the longer numeral is the larger number. */
function compareNumerals(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Puts what has an entry ID into the order of a stream. */
export function inEntryOrder<Item extends { readonly id: string }>(items: readonly Item[]): Item[] {
  const placed = items.map((item) => ({ item, at: parts(item.id) }));
  placed.sort(({ at: a }, { at: b }) => a[0] - b[0] || a[1] - b[1]);
  return placed.map(({ item }) => item);
}

/** The instant at which a stream handed out the ID, in milliseconds since the epoch, by the server's clock. */
export function issuedAt(id: string): number {
  // Ends at the hyphen.
  return Number.parseInt(id, 10);
}

/** What was handed back counts as idle since 1970; it cannot have been idle for longer than it exists. */
export function boundedIdleMs(id: string, idleMs: number, nowMs: number): number {
  return Math.max(0, Math.min(idleMs, nowMs - issuedAt(id)));
}

/** The ID a stream hands out at this instant: never lower than any before. */
export function nextEntryId(lastId: string, nowMs: number): string {
  const [ms, sequence] = parts(lastId);
  return nowMs > ms ? `${nowMs}-0` : `${ms}-${sequence + 1}`;
}

/** The lowest ID above this one. */
export function idAfter(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  return BigInt(sequence) < 2n ** 64n - 1n ? `${ms}-${BigInt(sequence) + 1n}` : `${BigInt(ms) + 1n}-0`;
}
