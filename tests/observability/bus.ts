import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '../../packages/database/src/testing.ts';
import {
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '../../packages/testkit/src/index.ts';

const root = join(import.meta.dirname, '..', '..');

/** A service that runs. */
export interface Worker {
  readonly process: ServiceProcess;
  /** What it serves at /metrics. */
  metrics(): Promise<string>;
}

/** Servers of a test's own, and services on them, with everything done faster than is usual. */
export interface ObservedBus {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  start(service: string, env?: Readonly<Record<string, string>>): Promise<Worker>;
  close(): Promise<void>;
}

/** Starts the servers, and lays out what the consumer of the test writes to. */
export async function startObservedBus(
  postgresUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ObservedBus> {
  const database = await createTestDatabase(postgresUrl);
  await database.pool.query(`
    create table mood (is_down boolean not null default false, is_cured boolean not null default false);
    insert into mood default values;
    create table effects (number bigint generated always as identity, consumer_group text not null,
      event_id uuid not null, aggregate_id text not null)`);
  const redis = await startRedis({ config: { maxmemory: '1gb' } });
  const workers: ServiceProcess[] = [];
  return {
    database,
    redis,
    async start(service, own = {}) {
      const worker = await spawnService({
        entry: join(root, 'services', service, 'src', 'main.ts'),
        cwd: root,
        env: {
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          OUTBOX_SOURCE: 'platform',
          CONSUMERS: join(root, 'tests', 'dead-letters'),
          PUBLISH_SWEEP: '200ms',
          MAX_ENTRY_BYTES: '1KiB',
          SWEEP_EVERY: '100ms',
          OUTBOX_PRUNE_EVERY: '200ms',
          INBOX_PRUNE_EVERY: '200ms',
          CLAIM_IDLE: '2s',
          MONITOR_EVERY: '100ms',
          ...env,
          ...own,
        },
      });
      workers.push(worker);
      await worker.waitFor(/"msg":"started"/);
      const port = /"port":(\d+)/.exec(worker.output())?.[1];
      return {
        process: worker,
        metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
      };
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await redis.stop();
      await database.close();
    },
  };
}
