import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { uniquePrefix } from './names.ts';
import { startProxy } from './proxy.ts';

async function setup() {
  const proxy = await startProxy(Number(new URL(inject('redisUrl')).port));
  const direct = new Redis(inject('redisUrl'), { disconnectTimeout: 20 });
  const connect = (options: { commandTimeout?: number } = {}) => {
    const client = new Redis({
      port: proxy.port,
      host: '127.0.0.1',
      disconnectTimeout: 20,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: () => 10,
      ...options,
    });
    client.on('error', () => 'expected: the proxy breaks connections');
    onTestFinished(() => client.disconnect());
    return client;
  };
  onTestFinished(async () => {
    direct.disconnect();
    await proxy.close();
  });
  return { proxy, direct, connect, key: uniquePrefix() };
}

/** It may have connected again before anybody asks. */
const ready = (client: Redis) =>
  new Promise<void>((resolve) => {
    if (client.status === 'ready') resolve();
    else client.once('ready', resolve);
  });
const closed = (client: Redis) => new Promise((resolve) => client.once('close', resolve));

test('forwards what does not fit into one chunk', async () => {
  const { connect, key } = await setup();
  const client = connect();
  await ready(client);
  const large = 'x'.repeat(8_000_000);

  await client.set(key, large, 'EX', 60);

  expect(await client.get(key)).toBe(large);
});

test('cuts every connection, and lets the next one through', async () => {
  const { proxy, connect } = await setup();
  const client = connect();
  await ready(client);

  const broken = closed(client);
  proxy.cut();
  await broken;
  await ready(client);

  expect(await client.ping()).toBe('PONG');
});

test('swallows the reply to a request that the server has carried out', async () => {
  const { proxy, connect, direct, key } = await setup();
  const client = connect();
  await ready(client);

  const swallowed = proxy.swallowReply((request) => request.includes(key));
  await client.ping();
  await expect(client.rpush(key, 'once')).rejects.toThrow();
  await swallowed;

  expect(await direct.lrange(key, 0, -1)).toEqual(['once']);
  await ready(client);
  expect(await client.rpush(key, 'twice')).toBe(2);
});

test('refuses new connections and leaves the present ones alone', async () => {
  const { proxy, connect } = await setup();
  const client = connect();
  await ready(client);

  proxy.refuse();
  const late = connect();
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
    late.once('error', (...args) => resolve(args as [Error])),
  );
  expect(error.code).toBe('ECONNREFUSED');
  expect(await client.ping()).toBe('PONG');

  const connected = ready(late);
  await proxy.accept();
  await connected;
  expect(await late.ping()).toBe('PONG');
});

test('holds everything back while it is paused, and delivers it afterwards', async () => {
  const { proxy, connect, direct, key } = await setup();
  const client = connect();
  const impatient = connect({ commandTimeout: 100 });
  await Promise.all([ready(client), ready(impatient)]);

  proxy.pause();
  const waiting = client.rpush(key, 'late');
  await expect(impatient.ping()).rejects.toThrow(/timed out/);
  expect(await direct.exists(key)).toBe(0);
  proxy.resume();

  expect(await waiting).toBe(1);
});

test('carries no more than a slow link would', async () => {
  const { proxy, connect, key } = await setup();
  const client = connect();
  await ready(client);

  proxy.slow(1_000_000);
  const began = performance.now();
  await client.set(key, 'x'.repeat(400_000), 'EX', 60);

  expect(performance.now() - began).toBeGreaterThan(300);
});
