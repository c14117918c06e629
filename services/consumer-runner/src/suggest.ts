/** The candidate that somebody who wrote `text` most likely meant, or `undefined` if none is near. */
export function suggest(text: string, candidates: readonly string[]): string | undefined {
  const [nearest] = candidates
    .map((candidate) => ({ candidate, distance: distance(text, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  if (nearest === undefined) return undefined;
  const isPart = nearest.candidate.includes(text);
  return isPart || nearest.distance <= Math.max(2, text.length / 3) ? nearest.candidate : undefined;
}

/** How many letters must be changed, added or left out to make one text of the other. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, letter] of Array.from(a).entries()) {
    const current = [row + 1];
    for (const [column, other] of Array.from(b).entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
