import { expect, test } from 'vitest';
import type { Fragment } from './fragment.ts';
import { bytes, duration, integer, list, logLevel, port } from './fragments.ts';
import { httpUrl, postgresUrl, redisUrl } from './urls.ts';

function problemOf(schema: Fragment<unknown>, text: string): string | undefined {
  return schema.safeParse(text).error?.issues[0]?.message;
}

test.each([
  ['250ms', 250],
  ['1s', 1000],
  ['1.5s', 1500],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
  ['0s', 0],
])('the duration %s is %i ms', (text, ms) => {
  expect(duration().parse(text)).toBe(ms);
});

test.each(['5', '-1s', '1 week', 's', '1e3ms', '1s5'])('%j is not a duration', (text) => {
  expect(problemOf(duration(), text)).toContain('is not a duration');
});

test('a duration outside its range is refused with the limit', () => {
  const limited = duration({ minMs: 100, maxMs: 1000 });

  expect(problemOf(limited, '99ms')).toContain('shorter than 100ms');
  expect(problemOf(limited, '2s')).toContain('longer than 1000ms');
  expect(limited.parse('1s')).toBe(1000);
});

test.each([
  ['512', 512],
  ['512b', 512],
  ['256KiB', 262_144],
  ['256k', 262_144],
  ['1MiB', 1_048_576],
  ['1.5 MB', 1_572_864],
  ['4gb', 4_294_967_296],
  ['1TiB', 1_099_511_627_776],
])('the size %s is %i bytes', (text, value) => {
  expect(bytes().parse(text)).toBe(value);
});

test.each(['', 'KiB', '-1', '1 pb', '1,5k', '0x10'])('%j is not a size', (text) => {
  expect(problemOf(bytes(), text)).toContain('is not a size');
});

test('a size outside its range is refused with the limit', () => {
  expect(problemOf(bytes({ min: 1 }), '0')).toContain('less than 1 bytes');
  expect(problemOf(bytes({ max: 1024 }), '2k')).toContain('more than 1024 bytes');
});

test('an integer is whole, exact and within its range', () => {
  const limited = integer({ min: 1, max: 100 });

  expect(limited.parse('100')).toBe(100);
  expect(integer().parse('-7')).toBe(-7);
  expect(problemOf(limited, '0')).toContain('less than 1');
  expect(problemOf(limited, '101')).toContain('more than 100');
  for (const text of ['1.5', '1e2', '0x1', 'many', '9007199254740993']) {
    expect(problemOf(integer(), text)).toContain('is not a whole number');
  }
});

test('the example for an integer lies within its range', () => {
  expect(problemOf(integer({ min: 50 }), 'x')).toContain('(example: 50)');
  expect(problemOf(integer({ max: 3 }), 'x')).toContain('(example: 3)');
});

test('a port lies between 0 and 65535', () => {
  expect(port().parse('65535')).toBe(65_535);
  expect(port().parse('0')).toBe(0);
  for (const text of ['65536', '-1', '80a', '1.5'])
    expect(problemOf(port(), text)).toContain('is not a port');
});

test('a list keeps its order and drops what is empty', () => {
  expect(list().parse(' b, a,,c ')).toEqual(['b', 'a', 'c']);
  expect(problemOf(list({ example: 'welcome-email' }), ' , ')).toBe('names nothing (example: welcome-email)');
});

test('a log level is read in any case', () => {
  expect(logLevel().parse('WARN')).toBe('warn');
  expect(problemOf(logLevel(), 'verbose')).toContain('is not one of');
});

test.each([
  'postgres://u:p@h:5432/d',
  'postgresql://h/d',
  'postgres:///d?host=/run/postgresql',
  'postgres://[::1]/d',
])('%s is the URL of a PostgreSQL database', (text) => {
  expect(postgresUrl().parse(text).reveal()).toBe(text);
});

test.each([
  ['db:5432', 'does not start with postgres://'],
  ['mysql://h/d', 'does not start with postgres://'],
  ['postgres:///d', 'names no host'],
  ['postgres://u:p@ss:w/rd@h:5432/d', 'percent-encoded'],
])('%s is refused as the URL of a PostgreSQL database', (text, problem) => {
  expect(problemOf(postgresUrl(), text)).toContain(problem);
});

test.each(['redis://h', 'rediss://:p@h:6380', 'redis://h:6379/2'])(
  '%s is the URL of a Redis server',
  (text) => {
    expect(redisUrl().parse(text).reveal()).toBe(text);
  },
);

test.each([
  ['h:6379', 'does not start with redis://'],
  ['redis:///0', 'names no host'],
  ['redis://h/cache', 'is not a database number'],
  ['localhost', 'is not a URL'],
])('%s is refused as the URL of a Redis server', (text, problem) => {
  expect(problemOf(redisUrl(), text)).toContain(problem);
});

test('an HTTP address loses the slash at its end', () => {
  expect(httpUrl().parse('https://collector:4318/base/')).toBe('https://collector:4318/base');
  expect(problemOf(httpUrl(), 'collector:4318')).toContain('does not start with http://');
});
