/** A text that failed has an empty name. */
const names = new Map<string, string>();
const maxNames = 100;
const maxLength = 4_000;

// Inserts of values have one plan, however large their tables grow. Not if they return all columns: with a new one, the
// result has another shape than was planned.
const insert = /^\s*insert\s/i;
const otherThanValues = /\bselect\b|\breturning\b.*\*/is;

/**
 * A name under which PostgreSQL is to remember a statement of a handler, so that it is parsed and planned once per
 * connection; `undefined` for what is to be sent whole. The names are few, whatever texts handlers make up.
 */
export function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined) return known === '' ? undefined : known;
  if (names.size >= maxNames || text.length > maxLength) return undefined;
  if (!insert.test(text) || otherThanValues.test(text)) return undefined;
  const name = `handler_${names.size + 1}`;
  names.set(text, name);
  return name;
}

/** From now on the text is sent whole: it failed, perhaps because its table is not what it was when it was planned. */
export function forgetStatementName(text: string): void {
  if (names.has(text)) names.set(text, '');
}
