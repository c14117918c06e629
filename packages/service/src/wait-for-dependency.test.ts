import { createLogger } from '@event-bus/telemetry';
import { expect, test } from 'vitest';
import { StoppingError } from './errors.ts';
import { waitFor } from './wait-for-dependency.ts';

function setup() {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'test',
    level: 'info',
    destination: { write: (line) => lines.push(line) },
  });
  return { logger, messages: () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg) };
}

test('a dependency that answers is not spoken of', async () => {
  const { logger, messages } = setup();

  await waitFor('redis', async () => undefined, { logger, signal: new AbortController().signal });

  expect(messages()).toEqual([]);
});

test('a dependency is tried until it answers; each failure and the end are logged', async () => {
  const { logger, messages } = setup();
  const reasons: string[] = [];
  const check = () => (reasons.length < 2 ? Promise.reject(new Error('ECONNREFUSED')) : Promise.resolve());

  const signal = new AbortController().signal;
  await waitFor('redis', check, { logger, signal, onAway: (reason) => reasons.push(reason) });

  expect(reasons).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
  expect(messages()).toEqual(['waiting for a dependency', 'waiting for a dependency', 'dependency reached']);
});

test.each([
  ['refuses', () => Promise.reject(new Error('ECONNREFUSED'))],
  ['never answers', () => new Promise<void>(() => undefined)],
])('an aborted signal ends the wait for a dependency that %s, with its reason', async (_, check) => {
  const { logger } = setup();
  const stop = new AbortController();
  const reason = new StoppingError('SIGTERM');

  const wait = waitFor('redis', check, { logger, signal: stop.signal });
  stop.abort(reason);

  await expect(wait).rejects.toBe(reason);
});
