import type { Readable } from 'node:stream';

/** Characters in a line at most: several of the largest events, whole. */
const longestLine = 16 * 1024 * 1024;

/**
 * Yields the lines of a text, which only a line feed ends: readline would also break JSON at characters that may stand in
 * its strings (U+2028, U+2029).
 */
export async function* readLines(input: Readable): AsyncGenerator<string, void> {
  input.setEncoding('utf8');
  let rest = '';
  for await (const chunk of input as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > longestLine) throw new Error(`a line has more than ${longestLine} characters`);
  }
  if (rest !== '') yield rest;
}
