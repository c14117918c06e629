import { context, trace } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { createLogger, type LogLevel } from './logger.ts';

function setup(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'outbox-publisher',
    level,
    destination: { write: (line) => lines.push(line) },
  });
  const last = (): unknown => JSON.parse(lines.at(-1) ?? 'null');
  return { logger, lines, last };
}

test('a line is one JSON object with level, time, service, fields and message', () => {
  const { logger, last } = setup();

  logger.child({ stream: 'events:user' }).info({ published: 3 }, 'batch written');

  expect(last()).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as unknown,
    service: 'outbox-publisher',
    stream: 'events:user',
    published: 3,
    msg: 'batch written',
  });
});

test('what is below the level is not written', () => {
  const { logger, lines } = setup('warn');

  logger.info({}, 'unheard');
  logger.warn({}, 'heard');

  expect(lines).toHaveLength(1);
});

test('passwords in URLs are redacted in messages, errors, causes and stacks', () => {
  const { logger, lines } = setup();
  const cause = new Error('connect redis://:hunter2@cache:6379/0 failed');
  const err = new Error('cannot reach postgres://app:hunter2@db:5432/shop?a=b@c', { cause });

  logger.error(
    { err, nested: { urls: ['rediss://default:hunter2@a', 'http://u:p%40hunter2@b/x'] } },
    'at pg://u:hunter2@h',
  );

  expect(lines[0]).not.toContain('hunter2');
  expect(lines[0]).toContain('postgres://app:[redacted]@db:5432/shop?a=b@c');
  expect(lines[0]).toContain('redis://:[redacted]@cache:6379/0');
});

test('a URL without a password stays as it is', () => {
  const { logger, last } = setup();

  logger.info({ url: 'http://collector:4318/users/a@b', mail: 'a@b.c' }, 'at redis://cache:6379, ask a@b.c');

  expect(last()).toMatchObject({
    url: 'http://collector:4318/users/a@b',
    msg: 'at redis://cache:6379, ask a@b.c',
  });
});

test('fields named like credentials are redacted', () => {
  const { logger, lines } = setup();
  const err = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hunter2'] } });

  logger.error(
    { err, password: 'hunter2', redis: { password: 'hunter2', tls: { secret: 'hunter2' } } },
    'refused',
  );

  expect(lines[0]).not.toContain('hunter2');
  expect(lines[0]).toContain('WRONGPASS');
});

test('what errors of PostgreSQL and Redis hold of the data is not logged, in causes and among several either', () => {
  const { logger, lines, last } = setup();
  const postgres = Object.assign(new Error('duplicate key value violates unique constraint "users_email"'), {
    code: '23505',
    constraint: 'users_email',
    detail: 'Key (email)=(hunter2@example.com) already exists.',
    where: "unnamed portal with parameters: $1 = 'hunter2'",
  });
  const redis = Object.assign(new Error('OOM command not allowed'), {
    command: { name: 'xadd', args: ['events:user', '*', 'payload', 'hunter2'] },
    buffer: '$7\\r\\nhunter2',
  });

  logger.error({ err: postgres }, 'one');
  const [one] = [last()];
  logger.error({ err: new Error('outer', { cause: redis }) }, 'two');
  logger.error({ error: new AggregateError([postgres, redis], 'both') }, 'three');

  expect(lines.join('')).not.toContain('hunter2');
  expect(one).toMatchObject({ err: { code: '23505', constraint: 'users_email' } });
  expect(lines[1]).toContain('OOM command not allowed');
  expect(lines[2]).toContain('users_email');
});

test('an error shows its type, message, stack and own fields', () => {
  const { logger, last } = setup();

  logger.error({ err: Object.assign(new TypeError('not a number'), { code: 'E42' }) }, 'failed');

  expect(last()).toMatchObject({
    err: {
      type: 'TypeError',
      message: 'not a number',
      code: 'E42',
      stack: expect.stringContaining('logger.test.ts') as unknown,
    },
  });
});

test('outside a span a line carries no trace', () => {
  const { logger, last } = setup();

  expect(trace.getSpan(context.active())).toBeUndefined();
  logger.info({}, 'untraced');

  expect(last()).not.toHaveProperty('trace_id');
});

test('an error that cannot be read is logged by its text', () => {
  const { logger, last } = setup();
  const err = Object.defineProperty(new RangeError('too far'), 'limit', {
    enumerable: true,
    get: () => {
      throw new Error('not yet known');
    },
  });

  logger.error({ err }, 'failed');

  expect(last()).toMatchObject({ err: { message: 'RangeError: too far' }, msg: 'failed' });
});
