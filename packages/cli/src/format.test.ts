import { expect, test } from 'vitest';
import { age, duration, number, plural, rowCount, whyText } from './format.ts';

test.for([
  [-5, '0ms'],
  [0, '0ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [185_000, '3m 5s'],
  [3_600_000, '1h'],
  [3_660_000, '1h 1m'],
  [90_000_000, '1d 1h'],
] as const)('%i ms are %s', ([ms, text]) => {
  expect(duration(ms)).toBe(text);
});

test('an instant that lies ahead, because clocks differ, is not negative', () => {
  expect(age(new Date(Date.now() + 60_000))).toBe('0ms');
});

test('what is not known is a question mark, and zero is zero', () => {
  expect([number(null), number(0)]).toEqual(['?', '0']);
});

test('a count that was stopped early says so', () => {
  expect(rowCount({ count: 7, more: false })).toBe('7');
  expect(rowCount({ count: 100_000, more: true })).toBe('more than 100000');
});

test('one is singular', () => {
  expect([plural(0, 'event'), plural(1, 'event'), plural(2, 'event')]).toEqual([
    '0 events',
    '1 event',
    '2 events',
  ]);
});

test.each([
  ['attempts used up', 'Error: 550 no mailbox', 'attempts used up: Error: 550 no mailbox'],
  [
    'dead-lettered by its handler: no name',
    'DeadLetterRequestedError: no name',
    'dead-lettered by its handler: no name',
  ],
  ['unfit', '', 'unfit'],
  ['', 'Error: gone', 'Error: gone'],
])('why an event was not handled is told once: %j and %j', (reason, error, told) => {
  expect(whyText({ reason, error })).toBe(told);
});
