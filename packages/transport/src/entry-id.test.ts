import { describe, expect, it } from 'vitest';
import { boundedIdleMs, compareEntryIds, inEntryOrder, issuedAt, nextEntryId } from './entry-id.ts';

describe('entry IDs', () => {
  it('are ordered by their numbers, not as text', () => {
    const ordered = ['9-1', '10-0', '10-2', '10-10', '1790000000000-0'];

    expect(ordered.toReversed().toSorted(compareEntryIds)).toEqual(ordered);
    expect(compareEntryIds('10', '10-0')).toBe(0);
    expect(inEntryOrder(ordered.toReversed().map((id) => ({ id }))).map(({ id }) => id)).toEqual(ordered);
    expect(compareEntryIds('10-18446744073709551614', '10-18446744073709551615')).toBeLessThan(0);
  });

  it('never go back, also when the clock does', () => {
    expect(nextEntryId('100-7', 101)).toBe('101-0');
    expect(nextEntryId('100-7', 100)).toBe('100-8');
    expect(nextEntryId('100-7', 50)).toBe('100-8');
  });

  it('tell when they were issued, and since when an entry can have been idle at most', () => {
    expect(issuedAt('1790000000123-4')).toBe(1_790_000_000_123);
    expect(boundedIdleMs('1000-4', 1_790_000_000_000, 1_500)).toBe(500);
    expect(boundedIdleMs('1000-4', 20, 1_500)).toBe(20);
    expect(boundedIdleMs('1000-4', 20, 900)).toBe(0);
  });
});
