import { expect, test } from 'vitest';
import { restoreStartPosition, storeStartPosition } from './start-position.ts';

test.each([
  { position: 12n, missing: [] },
  {
    position: 9_007_199_254_740_993n,
    missing: [
      { first: 1n, last: 4n },
      { first: 9_007_199_254_740_992n, last: 9_007_199_254_740_992n },
    ],
  },
])('a start position is restored as it was stored: %o', (start) => {
  expect(restoreStartPosition(JSON.parse(JSON.stringify(storeStartPosition(start))))).toEqual(start);
});

test('one that was stored before missing positions were is a position alone', () => {
  expect(restoreStartPosition('12')).toEqual({ position: 12n, missing: [] });
});
