import { join } from 'node:path';
import {
  createTemporaryFolder,
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '@event-bus/testkit';

// Durable, as in production. Latency is read from the times of commits, which cost a few bytes each. The rest only keeps
// checkpoints out of runs of some seconds.
const postgresSettings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  track_commit_timestamp: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '30min',
  // For a peer that reads the log itself.
  wal_level: 'logical',
};
const redisSettings = { appendonly: 'yes', appendfsync: 'everysec' };

/**
 * A PostgreSQL server that waits for the disk at every commit. Its data lies on disk: memory needs no fsync.
 * @param settings on top of those of all benchmarks.
 */
export async function startDurablePostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const folder = createTemporaryFolder('bench');
  const server = await startPostgres({
    dataDir: join(folder.path, 'data'),
    settings: { ...postgresSettings, ...settings },
  });
  return {
    ...server,
    get pid() {
      return server.pid;
    },
    async stop() {
      await server.stop();
      await folder.remove();
    },
  };
}

/** An empty Redis server that appends to a file. */
export function startDurableRedis(): Promise<RedisServer> {
  return startRedis({ config: redisSettings });
}
