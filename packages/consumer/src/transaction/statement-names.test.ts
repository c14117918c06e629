import { expect, test } from 'vitest';
import { forgetStatementName, statementName } from './statement-names.ts';

test('a plain insert has a name of its own, the same every time', () => {
  const first = statementName('insert into "a" ("x") values ($1)');
  const second = statementName('insert into "b" ("x") values ($1)');

  expect(first).toMatch(/^\w{1,63}$/);
  expect(second).not.toBe(first);
  expect(statementName('insert into "a" ("x") values ($1)')).toBe(first);
});

test.each([
  'select * from a',
  'update a set x = $1',
  'insert into a (x) values ($1) returning *',
  'insert into a (x) values ($1)\nRETURNING\n"a".*',
  'INSERT INTO a SELECT x FROM b',
  `insert into a (x) values ('${'x'.repeat(5_000)}')`,
])('%.40s is sent whole', (text) => {
  expect(statementName(text)).toBeUndefined();
});

test.each([
  'insert into d (x) values ($1) returning x',
  'insert into d (x) values ($1) on conflict (x) do update set y = d.y * 2 returning x, y',
])('%.60s has a name', (text) => {
  expect(statementName(text)).toBeDefined();
});

test('what failed once is sent whole from then on', () => {
  const text = 'insert into "c" ("x") values ($1)';
  expect(statementName(text)).toBeDefined();

  forgetStatementName(text);

  expect(statementName(text)).toBeUndefined();
});

test('texts that are different every time get no more than some names', () => {
  const texts = Array.from({ length: 1_000 }, (_, n) => `insert into "d" ("x") values (${n})`);

  expect(texts.filter((text) => statementName(text) !== undefined).length).toBeLessThan(100);
});
