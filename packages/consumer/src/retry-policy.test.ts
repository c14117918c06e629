import { assert, double, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { type Backoff, delayAfter, exponential } from './retry-policy.ts';

test('without jitter the delay doubles up to its bound', () => {
  const backoff = exponential('1s', { max: '10s', jitter: 0 });

  expect([1, 2, 3, 4, 5, 6].map((attempt) => backoff(attempt))).toEqual([
    1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
  ]);
});

test('the random part shortens the delay by at most its share', () => {
  const backoff = exponential('1s', { jitter: 0.5 });

  expect(backoff(1, () => 0)).toBe(1_000);
  expect(backoff(1, () => 0.5)).toBe(750);
  expect(backoff(1, () => 0.999_999)).toBe(500);
});

test('every delay of every attempt lies within the bounds, and never shrinks from one attempt to the next', () => {
  assert(
    property(
      integer({ min: 1, max: 10_000 }),
      double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      double({ min: 0, max: 1, noNaN: true }),
      double({ min: 1, max: 20, noNaN: true }),
      (attempt, random, jitter, factor) => {
        const backoff = exponential('200ms', { max: '30s', factor, jitter });
        const delayMs = backoff(attempt, () => random);
        const full = exponential('200ms', { max: '30s', factor, jitter: 0 })(attempt);

        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeLessThanOrEqual(full);
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(full * (1 - jitter)));
        expect(full).toBeGreaterThanOrEqual(200);
        expect(full).toBeLessThanOrEqual(30_000);
        expect(backoff(attempt + 1, () => random)).toBeGreaterThanOrEqual(delayMs);
      },
    ),
  );
});

test.each([
  ['0s', {}, /initial/],
  ['soon' as '1s', {}, /initial must be a duration such as "1s"/],
  ['1m', { max: '1s' as const }, /max \(1s\) is shorter than initial/],
  ['1s', { factor: 0.5 }, /factor/],
  ['1s', { jitter: 2 }, /jitter/],
] as const)('exponential(%j, %j) is refused', (initial, options, message) => {
  expect(() => exponential(initial, options)).toThrow(message);
});

test.each<[string, Backoff]>([
  ['half a millisecond', () => 0.5],
  ['no delay', () => 0],
])('a backoff may give %s', (_, backoff) => {
  expect(delayAfter(3, backoff)).toEqual({ delayMs: backoff(3) });
});

test.each<[string, Backoff, RegExp]>([
  ['NaN', () => Number.NaN, /0 or more, and gives NaN after attempt 3/],
  ['infinity', () => Number.POSITIVE_INFINITY, /gives Infinity/],
  ['less than nothing', () => -1, /gives -1/],
  ['nothing', () => undefined as unknown as number, /gives undefined/],
  ['a promise', (async () => 5) as unknown as Backoff, /gives \[object Promise\]/],
  [
    'an error',
    () => {
      throw Object.create(null);
    },
    /throws after attempt 3: a value of type object/,
  ],
])('a backoff that gives %s gives no delay', (_, backoff, fault) => {
  const delay = delayAfter(3, backoff);

  expect('fault' in delay && delay.fault).toMatch(fault);
});
