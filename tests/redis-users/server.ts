import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTemporaryFolder, type RedisServer, startRedis } from '../../packages/testkit/src/index.ts';

/** The users that each process of the bus is to have, as they are delivered. */
export const users = readFileSync(join(import.meta.dirname, '../../infra/redis/users.acl'), 'utf8');

/** A server that knows these users. Its own URL is that of a user who may do anything. */
export interface RedisWithUsers {
  readonly redis: RedisServer;
  /** The URL for one of them. */
  urlOf(user: string): string;
  close(): Promise<void>;
}

/** Starts one. */
export async function startRedisWithUsers(
  config: Readonly<Record<string, string>> = {},
): Promise<RedisWithUsers> {
  const folder = createTemporaryFolder('acl');
  const aclfile = join(folder.path, 'users.acl');
  writeFileSync(aclfile, users.replace('user default off\n', ''));
  const redis = await startRedis({ config: { aclfile, ...config } });
  return {
    redis,
    urlOf: (user) => redis.url.replace('redis://', `redis://${user}:change-me-${user}@`),
    async close() {
      await redis.stop();
      await folder.remove();
    },
  };
}
