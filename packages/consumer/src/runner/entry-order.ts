/** The order of two entry IDs (`<milliseconds>-<sequence>`) in their stream: negative if `a` comes first. */
export function compareEntryIds(a: string, b: string): number {
  const [aTime = '', aSequence = ''] = a.split('-');
  const [bTime = '', bSequence = ''] = b.split('-');
  return compareNumerals(aTime, bTime) || compareNumerals(aSequence, bSequence);
}

// Sequences have up to 64 bits: compared as text, without leading zeros.
function compareNumerals(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
