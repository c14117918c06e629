import { existsSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from './eventually.ts';
import { type RedisServerOptions, startRedis } from './redis.ts';
import { isAlive } from './testing/is-alive.ts';

async function ownRedis(options?: RedisServerOptions) {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

test('evicts nothing, and takes directives of more than one word', async () => {
  const redis = await ownRedis({ config: { 'client-output-buffer-limit': 'pubsub 1mb 1mb 60' } });
  const client = redis.client();

  expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  const [, limits] = (await client.config('GET', 'client-output-buffer-limit')) as string[];
  expect(limits).toContain('pubsub 1048576 1048576 60');
});

test('comes back with its data on the same port, or empty if that is asked for', async () => {
  const redis = await ownRedis();
  const client = redis.client();
  await client.set('note', 'kept');
  const { pid } = redis;

  await redis.restart();
  expect(await client.get('note')).toBe('kept');
  await redis.restart({ keepData: false });
  expect(await client.get('note')).toBeNull();

  expect(redis.pid).not.toBe(pid);
});

test('comes back after a crash with what its files hold', async () => {
  const redis = await ownRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
  const client = redis.client();
  await client.set('note', 'written to the log');

  await redis.kill();
  await redis.restart();

  expect(await client.get('note')).toBe('written to the log');
});

test('answers nothing while it is frozen, and everything once it is thawed', async () => {
  const redis = await ownRedis();
  const client = redis.client();
  const impatient = redis.client({ commandTimeout: 100 });
  // Without a command, which would have to be answered as quickly already.
  await Promise.all([client.ping(), new Promise((resolve) => impatient.once('ready', resolve))]);

  redis.freeze();
  const waiting = client.set('note', 'sent while frozen');
  await expect(impatient.ping()).rejects.toThrow(/timed out/);
  redis.thaw();

  expect(await waiting).toBe('OK');
});

test('leaves neither a process nor a folder behind, also when it is frozen', async () => {
  const redis = await startRedis();
  const { pid, dir } = redis;
  redis.freeze();

  await redis.stop();

  expect(existsSync(dir)).toBe(false);
  await eventually(() => !isAlive(pid));
});
