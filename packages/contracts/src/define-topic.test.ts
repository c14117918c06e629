import { describe, expect, test } from 'vitest';
import { type DurationText, defineTopic } from './define-topic.ts';
import { ContractDefinitionError } from './errors.ts';

describe('defineTopic', () => {
  test('has one partition, a week in the stream and 90 days in the archive unless told otherwise', () => {
    const day = 86_400_000;

    const topic = defineTopic('invoice');

    expect(topic).toEqual({
      name: 'invoice',
      partitions: 1,
      retention: { hotMs: 7 * day, hotBytes: null, coldMs: 90 * day, compliance: false },
    });
  });

  test('keeps what is marked compliance for a year, or as long as is said', () => {
    const day = 86_400_000;

    expect(defineTopic('a', { retention: { compliance: true } }).retention.coldMs).toBe(365 * day);
    expect(defineTopic('a', { retention: { compliance: true, cold: '3650d' } }).retention.coldMs).toBe(
      3650 * day,
    );
  });

  test('is frozen', () => {
    const topic = defineTopic('invoice');

    expect(Object.isFrozen(topic)).toBe(true);
    expect(Object.isFrozen(topic.retention)).toBe(true);
  });

  test.each(['', 'Invoice', '1st', 'a b', 'a:b', 'a{b}', 'é'])('refuses the name %j', (name) => {
    expect(() => defineTopic(name)).toThrow(ContractDefinitionError);
  });

  test.each([0, -1, 1.5, 257, Number.NaN])('refuses %d partitions', (partitions) => {
    expect(() => defineTopic('invoice', { partitions })).toThrow(
      'partitions must be a whole number from 1 to 256',
    );
  });

  test.each(['7', 'd', '-1d', '1.5d', '0d', '1w'])('refuses the duration %j', (hot) => {
    expect(() => defineTopic('invoice', { retention: { hot: hot as DurationText } })).toThrow(
      `retention.hot must be a duration such as "12h" or "7d", not "${hot}"`,
    );
  });

  test.each([0, -1, 1.5, Number.NaN])('refuses a stream of %j bytes', (hotBytes) => {
    expect(() => defineTopic('invoice', { retention: { hotBytes } })).toThrow('a whole number of bytes');
    expect(defineTopic('invoice', { retention: { hotBytes: 1024 } }).retention.hotBytes).toBe(1024);
  });

  test('refuses an archive that forgets sooner than the stream', () => {
    expect(() => defineTopic('invoice', { retention: { hot: '30d', cold: '7d' } })).toThrow(
      'the archive must outlast the stream',
    );
  });
});
