import { expect, test } from 'vitest';
import { eventually, NeverHappenedError } from './eventually.ts';

test('returns the first value that is neither false nor undefined', async () => {
  const values = [undefined, false, 0];

  expect(await eventually(() => values.shift(), { intervalMs: 1 })).toBe(0);
});

test('asks again after a check that throws, and after one that rejects', async () => {
  let checks = 0;

  await eventually(
    async () => {
      checks += 1;
      if (checks < 3) throw new Error('not yet');
      return true;
    },
    { intervalMs: 1 },
  );

  expect(checks).toBe(3);
});

test('carries the last failure when the time is up', async () => {
  const failure = new Error('still three rows missing');

  const waiting = eventually(
    (): boolean => {
      throw failure;
    },
    { timeoutMs: 20, intervalMs: 1, message: 'all rows' },
  );

  await expect(waiting).rejects.toThrow(NeverHappenedError);
  await expect(waiting).rejects.toThrow(/Waited 20 ms for all rows. Last: still three rows missing/);
  await expect(waiting).rejects.toMatchObject({ cause: failure });
});

test('gives up on a check that never settles', async () => {
  const waiting = eventually(() => new Promise<true>(() => 'never'), { timeoutMs: 20 });

  await expect(waiting).rejects.toThrow(/the first check has not settled/);
});
