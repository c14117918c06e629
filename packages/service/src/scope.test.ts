import { expect, test } from 'vitest';
import { CloseError } from './errors.ts';
import { createScope } from './scope.ts';

test('a scope closes what it holds one after another, the last opened first, and only once', async () => {
  const closed: string[] = [];
  const scope = createScope();
  const resource = { close: async () => void closed.push('resource') };

  expect(scope.use(resource)).toBe(resource);
  scope.defer(async () => {
    closed.push('deferred begins');
    await Promise.resolve();
    closed.push('deferred ends');
  });
  await scope.close();
  await scope.close();

  expect(closed).toEqual(['deferred begins', 'deferred ends', 'resource']);
});

test('what cannot be closed does not keep the rest open, and is reported in the end', async () => {
  const closed: string[] = [];
  const scope = createScope();
  scope.defer(async () => void closed.push('first'));
  scope.defer(() => Promise.reject(new Error('the socket is gone')));
  scope.defer(() => {
    throw new Error('not even a promise');
  });

  const failure = await scope.close().catch((error: unknown) => error);

  expect(closed).toEqual(['first']);
  expect(failure).toBeInstanceOf(CloseError);
  expect(failure).toMatchObject({
    code: 'close_failed',
    message: '2 of the resources could not be closed: not even a promise; the socket is gone',
  });
});
