import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

// Where the bootstrap of the workspace puts a server it has fetched.
const CACHED = resolve(import.meta.dirname, '../../../.cache/redis/redis-server');

/**
 * The Redis server to start: the one REDIS_SERVER names, else `redis-server` on PATH, else the one that the
 * workspace's bootstrap fetched. Throws if none of them runs.
 */
export function findRedisServer(): string {
  const named = process.env.REDIS_SERVER;
  const candidates = named === undefined || named === '' ? ['redis-server', CACHED] : [named];
  const found = candidates.find(
    (candidate) => spawnSync(candidate, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (found !== undefined) return found;
  throw new Error(
    `No Redis server can be run (tried ${candidates.join(', ')}). \`npm test\` and \`npm run stack\` fetch one on Debian; ` +
      'elsewhere install Redis 6.2 or newer, or set REDIS_SERVER to its path.',
  );
}
