import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyEdits } from './apply-edits.ts';
import { mutations } from './mutations.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

test('no two mutations have one name', () => {
  const names = mutations.map(({ name }) => name);

  expect(names.length).toBe(new Set(names).size);
});

test.each(mutations)('$name finds what it changes, and its tests are there', ({ name, edits, tests }) => {
  const changed = applyEdits(name, edits, read);

  expect(changed.size).toBeGreaterThan(0);
  for (const [file, text] of changed) expect(text).not.toBe(read(file));
  for (const file of tests) expect(existsSync(join(root, file)), file).toBe(true);
});

test('text that is missing or not unique is an error that names the mutation and the file', () => {
  const edit = { file: 'a.ts', find: 'x', replace: 'y' };

  expect(() => applyEdits('cure', [edit], () => 'abc')).toThrow(/cure.*a\.ts.*0 times/);
  expect(() => applyEdits('cure', [edit], () => 'x x')).toThrow(/cure.*a\.ts.*2 times/);
});
