import { expect, test } from 'vitest';
import { backoff } from './backoff.ts';
import { pollLoop } from './poll-loop.ts';
import { sleep } from './sleep.ts';

const hourMs = 3_600_000;

test('a loop runs again and again until its signal aborts, never twice at once', async () => {
  const stop = new AbortController();
  let runs = 0;
  let atOnce = 0;

  await pollLoop({
    intervalMs: 0,
    signal: stop.signal,
    onError: (error) => expect.unreachable(String(error)),
    async run() {
      atOnce += 1;
      expect(atOnce).toBe(1);
      await Promise.resolve();
      atOnce -= 1;
      runs += 1;
      if (runs === 5) stop.abort();
    },
  });

  expect(runs).toBe(5);
});

test('a run that fails is reported and the loop goes on', async () => {
  const stop = new AbortController();
  const errors: unknown[] = [];

  await pollLoop({
    intervalMs: 0,
    signal: stop.signal,
    run: () => Promise.reject(new Error(`failure ${errors.length + 1}`)),
    onError(error) {
      errors.push(error);
      if (errors.length === 3) stop.abort();
    },
  });

  expect(errors.map(String)).toEqual(['Error: failure 1', 'Error: failure 2', 'Error: failure 3']);
});

test('a loop that pauses ends as soon as its signal aborts', async () => {
  const stop = new AbortController();

  const loop = pollLoop({
    intervalMs: hourMs,
    signal: stop.signal,
    run: async () => void setTimeout(() => stop.abort(), 0),
    onError: () => undefined,
  });

  await expect(loop).resolves.toBeUndefined();
});

test('a loop whose signal has aborted never runs', async () => {
  await pollLoop({
    intervalMs: 0,
    signal: AbortSignal.abort(),
    run: async () => expect.unreachable('ran'),
    onError: (error) => {
      throw error;
    },
  });
});

test('sleep ends when its time is over or its signal aborts, and leaves no listener behind', async () => {
  const stop = new AbortController();
  await sleep(1, stop.signal);

  const long = sleep(hourMs, stop.signal);
  stop.abort();

  await expect(long).resolves.toBeUndefined();
  await expect(sleep(hourMs, stop.signal)).resolves.toBeUndefined();
});

test('a sleep longer than a timer can be does not end at once', async () => {
  const stop = new AbortController();
  const order: string[] = [];

  const long = sleep(2 ** 40, stop.signal).then(() => order.push('long'));
  await sleep(5, stop.signal);
  order.push('short');
  stop.abort();
  await long;

  expect(order).toEqual(['short', 'long']);
});

test('backoff doubles with each attempt up to its limit, and is random over the whole range', () => {
  const limits = { baseMs: 100, maxMs: 5000 };
  const most = (attempt: number): number => backoff(limits, attempt, () => 0.999_999);

  expect([0, 1, 2, 3, 5, 6, 5000].map(most)).toEqual([99, 199, 399, 799, 3199, 4999, 4999]);
  expect(backoff(limits, 3, () => 0)).toBe(0);
  expect(backoff(limits, 3, () => 0.5)).toBe(400);
});
