import { parseAst } from 'vitest/node';

/** What the rules need to know of a file. */
export interface Syntax {
  /** What it imports from, in whatever form: import, export … from, import(), import type. */
  readonly imports: readonly string[];
  /** Its string and template literals; the values in a template are left out. */
  readonly strings: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [property: string]: unknown;
}

const IMPORTING = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (
    node.type === 'TemplateElement' &&
    typeof node.value === 'object' &&
    node.value !== null &&
    'cooked' in node.value
  ) {
    return typeof node.value.cooked === 'string' ? node.value.cooked : undefined;
  }
  return undefined;
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else if (typeof value === 'object' && value !== null) {
    if (isNode(value)) visit(value);
    for (const child of Object.values(value)) walk(child, visit);
  }
}

/** Parses a TypeScript file; comments do not count. */
export function readSyntax(text: string): Syntax {
  const imports = new Set<string>();
  const strings = new Set<string>();
  walk(parseAst(text, { lang: 'ts' }), (node) => {
    const source = IMPORTING.has(node.type) ? textOf(node.source) : undefined;
    if (source !== undefined) imports.add(source);
    const string = textOf(node);
    if (string !== undefined) strings.add(string);
  });
  return { imports: [...imports], strings: [...strings] };
}
