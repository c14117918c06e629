import { type Proxy as NetworkProxy, type RedisServer, startProxy, startRedis } from '@event-bus/testkit';
import type { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { EventTransport } from '../../transport.ts';
import { createRedisTransport, type RedisTransportOptions } from '../index.ts';

/** A server of one test, what is in front of it, and a way around that. */
export interface FaultyServer {
  readonly server: RedisServer;
  readonly proxy: NetworkProxy;
  /** Straight to the server. */
  readonly redis: Redis;
  /** Through the proxy; closed when the test ends. */
  readonly connect: (options?: Partial<RedisTransportOptions>) => EventTransport;
}

/** Starts a server and a proxy in front of it for the running test. */
export async function startFaultyServer(
  config: Readonly<Record<string, string>> = {},
): Promise<FaultyServer> {
  const server = await startRedis({ config });
  onTestFinished(() => server.stop());
  const proxy = await startProxy(server.port);
  onTestFinished(() => proxy.close());
  return {
    server,
    proxy,
    redis: server.client(),
    connect(options = {}) {
      const url = `redis://127.0.0.1:${proxy.port}`;
      const transport = createRedisTransport({
        url,
        commandTimeoutMs: 20_000,
        connectTimeoutMs: 1_000,
        ...options,
      });
      onTestFinished(() => transport.close());
      return transport;
    },
  };
}
