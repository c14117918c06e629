import { expect, test } from 'vitest';
import { StatementRefusedError } from '../errors.ts';
import { scanSql } from './scan-sql.ts';
import { assertStatementAllowed } from './statement-rules.ts';

test('statements are counted outside of literals, comments and quoted names', () => {
  expect(scanSql('').statements).toBe(0);
  expect(scanSql(' ; -- only a comment\n;').statements).toBe(0);
  expect(scanSql('select 1;').statements).toBe(1);
  expect(scanSql("select ';', \";\", $a$ ; $b$ ; $a$, e'\\';' /* ; /* ; */ ; */").statements).toBe(1);
  expect(scanSql("select 'it''s'; select 2").statements).toBe(2);
  expect(scanSql('select $1; select $2').statements).toBe(2);
});

test('calls are found with and without quotes and spaces, and only calls', () => {
  const { calls } = scanSql('select f (1), "G"(2), h, \'i(1)\' from j');

  expect([...calls]).toEqual(['f', 'g']);
});

test('an unfinished literal or comment hides nothing and ends the scan', () => {
  expect(scanSql("select 'a; commit").statements).toBe(1);
  expect(scanSql('select 1 /* ; commit').statements).toBe(1);
  expect(scanSql('select $x$ ; commit').statements).toBe(1);
});

test('a literal of many megabytes is read in passing', () => {
  const text = `insert into t values ('${"a''".repeat(3_000_000)}')`;

  expect(scanSql(text).statements).toBe(1);
});

test('the refusal is the same when a statement comes again', () => {
  const refuse = () => assertStatementAllowed('commit', 'event');

  expect(refuse).toThrow(StatementRefusedError);
  expect(refuse).toThrow(/^COMMIT is refused in a handler: .*return to commit$/);
  expect(() => assertStatementAllowed('savepoint s', 'event')).not.toThrow();
  expect(() => assertStatementAllowed('savepoint s', 'batch')).toThrow(/'event'/);
});
