import { describe, expect, it } from 'vitest';
import { compareEntryIds, issuedAt, nextEntryId } from './entry-id.ts';

describe('entry IDs', () => {
  it('are ordered by their numbers, not as text', () => {
    const ordered = ['9-1', '10-0', '10-2', '10-10', '1790000000000-0'];

    expect(ordered.toReversed().toSorted(compareEntryIds)).toEqual(ordered);
    expect(compareEntryIds('10', '10-0')).toBe(0);
  });

  it('never go back, also when the clock does', () => {
    expect(nextEntryId('100-7', 101)).toBe('101-0');
    expect(nextEntryId('100-7', 100)).toBe('100-8');
    expect(nextEntryId('100-7', 50)).toBe('100-8');
  });

  it('tell when they were issued', () => {
    expect(issuedAt('1790000000123-4')).toBe(1_790_000_000_123);
  });
});
