/** The parts of SQL text that say what it does. */
export interface ScannedSql {
  /** The words in order, lower case; quoted identifiers without their quotes. */
  readonly words: readonly string[];
  /** Names that are directly followed by an opening parenthesis, lower case. */
  readonly calls: ReadonlySet<string>;
  /** How many statements. */
  readonly statements: number;
}

const tokens = new RegExp(
  [
    '(?<space>\\s+|--[^\\n]*)',
    "(?<quote>\\be'|['\"])",
    '(?<dollar>\\$(?:[a-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)?\\$)',
    '(?<word>[a-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)',
    '(?<comment>/\\*)',
    '(?<other>[\\s\\S])',
  ].join('|'),
  'giy',
);

/**
 * Reads SQL text as far as it takes to tell its commands from its literals, comments and quoted names. It guards
 * against mistakes, not against somebody who hides a command on purpose.
 */
export function scanSql(text: string): ScannedSql {
  const words: string[] = [];
  const calls = new Set<string>();
  let statements = 0;
  let inStatement = false;
  let previousWord: string | undefined;

  tokens.lastIndex = 0;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const { space, word, quote, comment, dollar, other } = match.groups ?? {};
    if (space !== undefined) continue;
    if (comment !== undefined) {
      tokens.lastIndex = endOfComment(text, tokens.lastIndex);
      continue;
    }
    if (other === ';') {
      inStatement = false;
      previousWord = undefined;
      continue;
    }
    if (!inStatement) {
      inStatement = true;
      statements += 1;
    }
    let name = word;
    if (quote !== undefined) {
      const from = tokens.lastIndex;
      tokens.lastIndex = endOfQuoted(text, from, quote);
      if (quote === '"') name = text.slice(from, tokens.lastIndex - 1);
    }
    if (dollar !== undefined) {
      const end = text.indexOf(dollar, tokens.lastIndex);
      tokens.lastIndex = end === -1 ? text.length : end + dollar.length;
    }
    if (other === '(' && previousWord !== undefined) calls.add(previousWord);
    previousWord = name?.toLowerCase();
    if (previousWord !== undefined) words.push(previousWord);
  }
  return { words, calls, statements };
}

const quotedParts = { "'": /''|'/g, '"': /""|"/g, "e'": /\\[\s\S]|''|'/g };

/** A doubled quote, or one behind a backslash where that counts, does not end it. */
function endOfQuoted(text: string, from: number, quote: string): number {
  const opening = quote.toLowerCase() as keyof typeof quotedParts;
  const parts = quotedParts[opening];
  parts.lastIndex = from;
  for (let match = parts.exec(text); match !== null; match = parts.exec(text)) {
    if (match[0] === opening.at(-1)) return parts.lastIndex;
  }
  return text.length;
}

/** Comments nest. */
function endOfComment(text: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  let depth = 1;
  for (let match = marks.exec(text); match !== null; match = marks.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}
