import { expect, test } from 'vitest';
import { withDeadline } from './deadline.ts';
import { NoAnswerError, StoppingError } from './errors.ts';

const hourMs = 3_600_000;
const never = (): Promise<never> => new Promise(() => undefined);

test('what answers in time is passed on, be it a result or an error', async () => {
  const failure = new Error('refused');

  await expect(withDeadline(async () => 'pong', { timeoutMs: hourMs })).resolves.toBe('pong');
  await expect(withDeadline(() => Promise.reject(failure), { timeoutMs: hourMs })).rejects.toBe(failure);
});

test('what does not answer in time is given up', async () => {
  await expect(withDeadline(never, { timeoutMs: 1 })).rejects.toEqual(new NoAnswerError(1));
});

test('an aborted signal ends the wait at once, with its reason', async () => {
  const stop = new AbortController();
  const reason = new StoppingError('SIGTERM');

  const wait = withDeadline(never, { timeoutMs: hourMs, signal: stop.signal });
  stop.abort(reason);

  await expect(wait).rejects.toBe(reason);
  const unasked = (): Promise<never> => expect.unreachable('asked although the signal had aborted');
  await expect(withDeadline(unasked, { timeoutMs: hourMs, signal: stop.signal })).rejects.toBe(reason);
});
