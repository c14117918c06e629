function parts(id: string): [number, number] {
  const [ms, sequence] = id.split('-');
  return [Number(ms), Number(sequence ?? 0)];
}

/** Orders entry IDs as a stream does: negative if `a` comes first, 0 if they are the same. */
export function compareEntryIds(a: string, b: string): number {
  const [msOfA, sequenceOfA] = parts(a);
  const [msOfB, sequenceOfB] = parts(b);
  return msOfA - msOfB || sequenceOfA - sequenceOfB;
}

/** The instant at which a stream handed out the ID, in milliseconds since the epoch, by the server's clock. */
export function issuedAt(id: string): number {
  return parts(id)[0];
}

/** The ID a stream hands out at this instant: never lower than any before. */
export function nextEntryId(lastId: string, nowMs: number): string {
  const [ms, sequence] = parts(lastId);
  return nowMs > ms ? `${nowMs}-0` : `${ms}-${sequence + 1}`;
}
