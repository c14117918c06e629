import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { databaseConfig, redisConfig, workerConfig } from './common.ts';
import { ConfigError } from './errors.ts';
import { integer, list } from './fragments.ts';
import { type Environment, loadConfig } from './load-config.ts';

const worker = z.object({ ...databaseConfig, ...redisConfig, ...workerConfig });
const minimal = { DATABASE_URL: 'postgres://app:hunter2@db:5432/shop', REDIS_URL: 'redis://cache:6379' };

function faultsOf(schema: z.ZodObject, env: Environment): ConfigError {
  try {
    loadConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

test('an environment with the required variables gets defaults for the rest', () => {
  const config = loadConfig(worker, minimal);

  expect(config.PORT).toBe(0);
  expect(config.LOG_LEVEL).toBe('info');
  expect(config.SHUTDOWN_DRAIN).toBe(20_000);
  expect(config.OTEL_EXPORTER_OTLP_ENDPOINT).toBeUndefined();
  expect(config.DATABASE_URL.reveal()).toBe(minimal.DATABASE_URL);
  expect(config.DATABASE_DIRECT_URL.reveal()).toBe(minimal.DATABASE_URL);
  expect(config.BUS_DATABASE_URL.reveal()).toBe(minimal.DATABASE_URL);
});

test('a database of its own wins over the common one', () => {
  const config = loadConfig(worker, { ...minimal, BUS_DATABASE_URL: 'postgresql://bus@other/bus' });

  expect(config.BUS_DATABASE_URL.reveal()).toBe('postgresql://bus@other/bus');
  expect(config.DATABASE_DIRECT_URL.reveal()).toBe(minimal.DATABASE_URL);
});

test('an empty variable counts as absent', () => {
  const config = loadConfig(worker, { ...minimal, PORT: '', LOG_LEVEL: ' ', DATABASE_DIRECT_URL: '' });

  expect(config).toMatchObject({ PORT: 0, LOG_LEVEL: 'info' });
  expect(config.DATABASE_DIRECT_URL.reveal()).toBe(minimal.DATABASE_URL);
  expect(faultsOf(worker, { ...minimal, REDIS_URL: '' }).faults.map((fault) => fault.variable)).toEqual([
    'REDIS_URL',
  ]);
});

test('all faults are named at once, each with what is wrong and an example of what is right', () => {
  const error = faultsOf(worker, {
    PORT: 'http',
    REDIS_URL: 'http://cache',
    SHUTDOWN_DRAIN: '20',
    LOG_LEVEL: 'loud',
  });

  expect(error.code).toBe('config_invalid');
  expect(error.faults).toEqual([
    {
      variable: 'DATABASE_URL',
      problem: 'is missing (example: postgres://user:password@host:5432/database)',
    },
    {
      variable: 'REDIS_URL',
      problem: 'does not start with redis:// or rediss:// (example: redis://user:password@host:6379/0)',
    },
    { variable: 'PORT', problem: 'is not a port between 0 and 65535 (example: 8080)' },
    { variable: 'LOG_LEVEL', problem: 'is not one of debug, info, warn, error, silent (example: info)' },
    {
      variable: 'SHUTDOWN_DRAIN',
      problem: 'is not a duration with a unit (ms, s, m, h, d) (example: 250ms, 1s, 5m or 7d)',
    },
  ]);
  for (const { variable, problem } of error.faults)
    expect(error.message).toContain(`${variable}: ${problem}`);
});

test('a value taken from another variable is reported once, under the name it was given', () => {
  const error = faultsOf(z.object(databaseConfig), { DATABASE_URL: 'mysql://db/shop' });

  expect(error.faults.map((fault) => fault.variable)).toEqual(['DATABASE_URL']);
});

test('variables that the schema does not name are no fault', () => {
  expect(
    loadConfig(z.object({ CONSUMERS: list() }), { CONSUMERS: 'a, b', HOME: '/', BUS_OTHER: 'x' }),
  ).toEqual({
    CONSUMERS: ['a', 'b'],
  });
});

test('schemas of zod itself work beside the fragments', () => {
  const schema = z.object({
    OUTBOX_SOURCE: z.string().regex(/^[a-z-]+$/, 'may hold a-z and - only'),
    N: z.enum(['a']),
  });

  expect(faultsOf(schema, {}).faults).toMatchObject([
    { variable: 'OUTBOX_SOURCE', problem: 'is missing' },
    { variable: 'N' },
  ]);
  expect(faultsOf(schema, { OUTBOX_SOURCE: 'A', N: 'a' }).faults).toEqual([
    { variable: 'OUTBOX_SOURCE', problem: 'may hold a-z and - only' },
  ]);
});

test('a rule over several variables is reported under the variable it names', () => {
  const schema = z.object({ LOW: integer(), HIGH: integer() }).refine(({ LOW, HIGH }) => LOW <= HIGH, {
    path: ['HIGH'],
    message: 'is below LOW',
  });

  expect(faultsOf(schema, { LOW: '2', HIGH: '1' }).faults).toEqual([
    { variable: 'HIGH', problem: 'is below LOW' },
  ]);
});

test.each([
  ['a URL of another scheme', { DATABASE_URL: 'mysql://app:hunter2@db/shop' }],
  ['a URL that cannot be read', { DATABASE_URL: 'postgres://app:hunter2@db:port/shop' }],
  [
    'a URL in the wrong variable',
    { PORT: 'redis://:hunter2@cache', LOG_LEVEL: 'hunter2', SHUTDOWN_DRAIN: 'hunter2' },
  ],
])('no fault quotes a value: %s', (_, env) => {
  const error = faultsOf(worker, { ...minimal, ...env });

  expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
  expect(JSON.stringify(error.faults)).not.toContain('hunter2');
});

test('a loaded configuration can be printed without its secrets', () => {
  const config = loadConfig(worker, { ...minimal, REDIS_URL: 'redis://:hunter2@cache' });

  expect(inspect(config, { depth: 10, showHidden: true })).not.toContain('hunter2');
  expect(JSON.stringify(config)).not.toContain('hunter2');
  expect(`${String(config.DATABASE_URL)}`).toBe('[redacted]');
});

test('where another variable stands in, a fault names the one to set', () => {
  const onlyBus = z.object({ BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL });

  expect(faultsOf(onlyBus, {}).faults).toEqual([
    {
      variable: 'BUS_DATABASE_URL',
      problem: 'is missing (example: postgres://user:password@host:5432/database); DATABASE_URL would do',
    },
  ]);
  expect(faultsOf(onlyBus, { DATABASE_URL: 'http://db' }).faults.map(({ variable }) => variable)).toEqual([
    'DATABASE_URL',
  ]);
});
