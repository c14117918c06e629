import { compareEntryIds } from '@event-bus/transport';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareKeys } from '../store/key.ts';
import { flawOf, hourOf, idsBetween } from './entry-id.ts';
import { hourPrefix, objectKey, parseKey, streamOf, streamPrefix } from './object-key.ts';

const ms = fc.oneof(
  fc.nat({ max: 7_200_000 }),
  fc.integer({ min: 1_790_000_000_000, max: 1_790_007_200_000 }),
);
const id = fc
  .tuple(ms, fc.oneof(fc.bigInt({ min: 0n, max: 12n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })))
  .map(([time, sequence]) => `${time}-${sequence}`);
const range = fc
  .record({
    stream: fc.constantFrom('events:user', 'events:user:3', 'a'),
    ids: fc.array(id, { minLength: 2, maxLength: 2 }),
  })
  .map(({ stream, ids }) => {
    const [firstId = '', lastId = ''] = ids.toSorted(compareEntryIds);
    return { stream, firstId, lastId };
  });

describe('the key of an object', () => {
  test('names stream, date, hour and the range of its entries', () => {
    const key = objectKey({
      stream: 'events:user:3',
      firstId: '1790000000123-0',
      lastId: '1790000005000-12',
    });

    expect(key).toBe(
      'stream=events%3Auser%3A3/date=2026-09-21/hour=14/' +
        '001790000000123-00000000000000000000-001790000005000-00000000000000000012.ndjson.gz',
    );
    expect(parseKey(key)).toEqual({
      stream: 'events:user:3',
      firstId: '1790000000123-0',
      lastId: '1790000005000-12',
      hour: new Date('2026-09-21T14:00:00Z'),
      variant: '',
    });
  });

  test('tells objects of one range apart', () => {
    const range = { stream: 'a', firstId: '1-0', lastId: '2-0' };

    expect(parseKey(objectKey(range, 'c0ffee'))).toMatchObject({ ...range, variant: 'c0ffee' });
    expect(objectKey(range, 'c0ffee')).not.toBe(objectKey(range));
  });

  test('orders as the entries do', () => {
    fc.assert(
      fc.property(range, range, (a, b) => {
        const inOrder = compareEntryIds(a.firstId, b.firstId) || compareEntryIds(a.lastId, b.lastId);
        const other = { ...b, stream: a.stream };
        expect(Math.sign(compareKeys(objectKey(a), objectKey(other)))).toBe(Math.sign(inOrder));
      }),
    );
  });

  test('says what it was made of', () => {
    fc.assert(
      fc.property(range, fc.constantFrom('', 'abc123'), (given, variant) => {
        expect(parseKey(objectKey(given, variant))).toEqual({
          ...given,
          variant,
          hour: new Date(hourOf(given.firstId)),
        });
      }),
    );
  });

  test.each([
    'stream=a/date=2026-09-21/hour=14/x.ndjson.gz',
    'stream=a/_SUCCESS',
    // Another hour than its entries.
    'stream=a/date=2026-09-21/hour=15/001790000000123-00000000000000000000-001790000005000-00000000000000000012.ndjson.gz',
    // Backwards.
    'stream=a/date=1970-01-01/hour=00/000000000000002-00000000000000000000-000000000000001-00000000000000000000.ndjson.gz',
    // Not percent-encoded as it would have been written.
    'stream=a:b/date=1970-01-01/hour=00/000000000000001-00000000000000000000-000000000000001-00000000000000000000.ndjson.gz',
    'stream=%/date=1970-01-01/hour=00/000000000000001-00000000000000000000-000000000000001-00000000000000000000.ndjson.gz',
  ])('is not %s', (key) => {
    expect(parseKey(key)).toBeUndefined();
  });

  test('keeps streams apart, whatever they are called', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(streamOf(`${streamPrefix(a)}date=x`)).toBe(a);
        expect(streamPrefix(a)).toMatch(/^stream=[\w.~%-]+\/$/);
        if (a !== b) expect(streamPrefix(a).startsWith(streamPrefix(b))).toBe(false);
      }),
    );
    expect(streamOf('other/x')).toBeUndefined();
    expect(streamOf('stream=%/x')).toBeUndefined();
  });
});

describe('entry IDs', () => {
  test('that lie in one hour share a folder', () => {
    expect(hourPrefix('a', '1790002799999-5')).toBe(hourPrefix('a', '1789999200000-0'));
    expect(hourPrefix('a', '1790002800000-0')).toBe('stream=a/date=2026-09-21/hour=15/');
  });

  test.each([
    ['1', 'is not'],
    ['1-', 'is not'],
    ['01-0', 'is not'],
    ['1-1-1', 'is not'],
    ['-', 'is not'],
    ['253402300800000-0', 'year 9999'],
    ['1-18446744073709551616', '64 bits'],
  ])('%s is none, or none that can be archived', (text, problem) => {
    expect(flawOf(text)).toContain(problem);
  });

  test.each(['0-0', '1-18446744073709551615', '253402300799999-1'])('%s can be archived', (text) => {
    expect(flawOf(text)).toBeUndefined();
  });

  test('between two instants begin with the first and end before the second', () => {
    expect(idsBetween(new Date(1_000), new Date(2_000))).toEqual({
      from: '1000-0',
      to: '1999-18446744073709551615',
    });
  });
});
