/**
 * What is wrong with some of the demo's events, told by the name in their payload: the handler of `project-activity`
 * fails on `Flaky …` the first time, and on `Broken …` each time, until what it depends on is mended.
 */
export type Trouble = 'once' | 'always';

const words: Readonly<Record<Trouble, string>> = { once: 'Flaky', always: 'Broken' };

/** A name that makes trouble. */
export function troublesomeName(trouble: Trouble, number: number): string {
  return `${words[trouble]} ${number}`;
}

/** The trouble that an event's payload makes, if any. */
export function troubleOf(payload: unknown): Trouble | undefined {
  const name =
    typeof payload === 'object' && payload !== null && 'name' in payload ? String(payload.name) : '';
  return (['once', 'always'] as const).find((trouble) => name.startsWith(`${words[trouble]} `));
}
