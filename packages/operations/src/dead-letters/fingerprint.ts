import { createHash } from 'node:crypto';

/** What varies from error to error of one kind, and what it is replaced by. The order matters. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, '<uuid>'],
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, '<address>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?/g, '<time>'],
  [/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '<text>'],
  [/\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, '<hex>'],
  [/\d+(?:\.\d+)?/g, '<n>'],
];

/**
 * The same for failures of one kind, whatever IDs, numbers, names and addresses their messages hold: twelve hexadecimal
 * digits of a hash over the kind, the error's name and message without what varies, and the place in the program that
 * threw it, without line numbers, so that it outlives a deployment.
 */
export function fingerprint(failure: {
  readonly kind: string;
  readonly error: string;
  readonly stack: string;
}): string {
  const message = varying.reduce(
    (text, [pattern, replacement]) => text.replaceAll(pattern, replacement),
    failure.error.slice(0, 500),
  );
  const parts = [failure.kind, message, throwingPlace(failure.stack)];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
}

/** The first frame of the program itself: its function, or else its file. */
function throwingPlace(stack: string): string {
  const frame = stack
    .split('\n')
    .find((line) => /^\s*at /.test(line) && !/node_modules|node:internal|\(node:|at node:/.test(line));
  if (frame === undefined) return '';
  const [, named, location = ''] = /^\s*at (?:(.+?) \()?(.+?)\)?$/.exec(frame) ?? [];
  const file =
    location
      .replace(/(?::\d+){1,2}$/, '')
      .split('/')
      .at(-1) ?? '';
  return `${named ?? ''} ${file}`;
}
