import { type RedisServer, startProxy, startRedis } from '@event-bus/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UnknownOutcomeError } from '../errors.ts';
import { examineServer, redisUsers } from './examine.ts';

let server: RedisServer;
let proxy: Awaited<ReturnType<typeof startProxy>>;

beforeAll(async () => {
  server = await startRedis();
  proxy = await startProxy(server.port);
});

afterAll(async () => {
  await proxy.close();
  await server.stop();
});

it.each(redisUsers)('changes nothing, whatever kind of process it is asked about (%s)', async (user) => {
  const { forbidden } = await examineServer(server.url, user);

  expect(forbidden).toEqual([]);
  expect(await server.client().keys('*')).toEqual([]);
});

it('does not take a reply that was lost for a right', async () => {
  void proxy.swallowReply((request) => request.includes('xrange'));

  await expect(examineServer(`redis://127.0.0.1:${proxy.port}`, 'monitor')).rejects.toBeInstanceOf(
    UnknownOutcomeError,
  );
});
