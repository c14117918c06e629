import { type RedisServer, startRedis } from '@event-bus/testkit';
import { afterAll, beforeAll } from 'vitest';
import { testTransport } from '../conformance/index.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import { createRedisTransport } from './index.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

testTransport('on Redis', async () => {
  const transport = createRedisTransport({ url: server.url, commandTimeoutMs: 30_000 });
  const redis = server.client();
  return {
    transport,
    backdoor: {
      async addEntry(stream, fields, id = '*') {
        return String(await redis.xadd(stream, id, ...Object.entries(fields).flat()));
      },
      async deleteEntry(stream, id) {
        await redis.xdel(stream, id);
      },
      async trim(stream, upToId) {
        const [ms, sequence] = upToId.split('-');
        await redis.hset(derivedKeys.writers(stream), '@trimmed', upToId);
        await redis.xtrim(stream, 'MINID', `${ms}-${Number(sequence) + 1}`);
      },
      async deleteStream(stream) {
        await redis.del(stream);
      },
      async deleteGroup(ref) {
        await redis.xgroup('DESTROY', placeKey(ref), ref.group);
      },
      async age(ref, consumer, ids, idleMs) {
        await redis.call('XCLAIM', [placeKey(ref), ref.group, consumer, 0, ...ids, 'IDLE', idleMs, 'JUSTID']);
      },
      async flushAll() {
        await redis.flushall();
      },
    },
    async close() {
      await transport.close();
      redis.disconnect();
    },
  };
});
