import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ENTRY_FIELDS } from '../entry.ts';

const folder = new URL('../../lua/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const scripts = readdirSync(folder)
  .filter((name) => name.endsWith('.lua'))
  .map((name) => [name, read(name)] as const);
const includes = readdirSync(new URL('include/', folder));

describe('the scripts', () => {
  it('write the fields of an entry by their names and in their order', () => {
    const [, append = ''] = scripts.find(([name]) => name === 'append.lua') ?? [];
    const xadd = /'XADD', stream, '\*',([^)]+)\)/.exec(append)?.[1] ?? '';
    const fields = [...xadd.matchAll(/'(\w+)', (source|ARGV\[i(?: \+ (\d+))?\])/g)];

    expect(fields.map(([, name]) => name)).toEqual(ENTRY_FIELDS);
    const argumentOf = fields.map(([, , value, offset]) =>
      value === 'source' ? 'source' : Number(offset ?? 0),
    );
    expect(argumentOf).toEqual([0, 'source', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  it.each(scripts)(
    '%s says in its head what it takes and replies, and ends comments with their lines',
    (_, text) => {
      const head = text.slice(0, text.search(/^[^-]/m));

      expect(head).toMatch(/KEYS\[1(\.\.\.)?\]/);
      expect(head).toMatch(/ARGV\[1(\.\.\.)?\]/);
      expect(head).toMatch(/Replies/);
      expect(text).not.toMatch(/--\[\[/);
    },
  );

  it.each(scripts)('%s includes what it calls, and nothing else', (_, text) => {
    const included = [...text.matchAll(/^-- include (\S+)$/gm)].map(([, name]) => name);
    const whole = included.map((name) => read(`include/${name}`)).join('\n') + text;
    const needed = includes.filter((name) => {
      const defined = [...read(`include/${name}`).matchAll(/^local function (\w+)/gm)];
      return defined.some(([, name = '']) => new RegExp(`(?<!function )\\b${name}\\(`).test(whole));
    });

    expect(new Set(included)).toEqual(new Set(needed));
  });
});
