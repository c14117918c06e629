import { describe, expect, it } from 'vitest';
import { partsOf } from './parts.ts';

const lengths = (items: readonly (readonly string[])[]) => [...partsOf(items)].map((part) => part.length);

describe('parts for scripts', () => {
  it('are none of nothing', () => {
    expect(lengths([])).toEqual([]);
  });

  it('have a bounded number of items', () => {
    expect(lengths(Array.from({ length: 1_001 }, () => ['1-1', 'a']))).toEqual([500, 500, 1]);
  });

  it('have a bounded size, unless one item alone is larger', () => {
    const [small, large, huge] = [300_000, 800_000, 3_000_000].map((length) => ['', 'x'.repeat(length)]) as [
      string[],
      string[],
      string[],
    ];

    expect(lengths([small, small, small, small])).toEqual([3, 1]);
    expect(lengths([small, large, small, huge, small])).toEqual([1, 1, 1, 1, 1]);
  });

  it('are everything in its order', () => {
    const items = [100_000, 2_000_000, 0, 900_000, 200_000].map((length, n) => [
      String(n),
      'x'.repeat(length),
    ]);

    expect([...partsOf(items)].flat()).toEqual(items);
  });
});
