import { ConfigError } from '@event-bus/config';
import { ServerRefusedError } from '@event-bus/transport';
import { expect, test } from 'vitest';
import { describeFailure, exitStatusOf } from './failure.ts';

test('an error that is made of others, and says nothing itself, is told by theirs', () => {
  // What Node.js throws when a host has several addresses and none answers.
  const error = Object.assign(
    new AggregateError([
      new Error('connect ECONNREFUSED ::1:5432'),
      new Error('connect ECONNREFUSED 127.0.0.1:5432'),
    ]),
    { code: 'ECONNREFUSED' },
  );

  expect(describeFailure(error)).toBe(
    'PostgreSQL cannot be reached: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432',
  );
});

test('an error of Redis carries the reason behind it', () => {
  const error = new ServerRefusedError('no connection within 5000 ms', { cause: new Error('ECONNREFUSED') });

  expect(describeFailure(error)).toBe('Redis: no connection within 5000 ms (ECONNREFUSED)');
});

test('an error of PostgreSQL carries its hint', () => {
  const error = Object.assign(new Error('payload has 9 bytes'), { severity: 'ERROR', hint: 'Send less.' });

  expect(describeFailure(error)).toBe('PostgreSQL: payload has 9 bytes (Send less.)');
});

test('a file that cannot be had is named, with what is wrong with it', () => {
  const error = Object.assign(new Error("ENOENT: no such file or directory, open '/letters'"), {
    code: 'ENOENT',
    syscall: 'open',
    path: '/letters',
  });

  expect(describeFailure(error)).toBe('/letters: there is no such file or folder');
});

test('only a wrong configuration ends with 78', () => {
  expect(exitStatusOf(new ConfigError([{ variable: 'A', problem: 'is missing' }]))).toBe(78);
  expect(exitStatusOf(new Error('anything else'))).toBe(1);
});
