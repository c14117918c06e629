import { expect, test } from 'vitest';
import { errorText } from './error-text.ts';

test.each<[string, unknown, string]>([
  ['an error', new TypeError('no such user'), 'TypeError: no such user'],
  ['a text', 'just text', 'just text'],
  ['nothing', undefined, 'undefined'],
  ['an object without a prototype', Object.create(null), 'a value of type object that has no text'],
  [
    'an error whose message is no text',
    Object.assign(new Error(), { message: Object.create(null) as unknown }),
    'a value of type object that has no text',
  ],
])('%s has a text', (_, error, text) => {
  expect(errorText(error)).toBe(text);
});
