import { assert, double, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { exponential } from './retry-policy.ts';

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
