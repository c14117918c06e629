import { expect, test } from 'vitest';
import { type Column, facts, table } from './table.ts';

interface Row {
  readonly name: string;
  readonly n: number;
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'N', text: ({ n }) => String(n), right: true },
  { title: 'NOTE', text: () => '' },
];

test('columns are as wide as their widest cell, numbers stand to the right, and no line ends in spaces', () => {
  const rows = [
    { name: 'a', n: 1 },
    { name: 'longer', n: 1_000 },
  ];

  expect(table(columns, rows).split('\n')).toEqual(['NAME       N  NOTE', 'a          1', 'longer  1000']);
});

test('a table without rows is its titles', () => {
  expect(table(columns, [])).toBe('NAME  N  NOTE');
});

test('facts align their values', () => {
  expect(
    facts([
      ['a', '1'],
      ['long', '2'],
    ]),
  ).toBe('a     1\nlong  2');
});
