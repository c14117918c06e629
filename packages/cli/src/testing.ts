import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { type RedisServer, type ServiceProcess, spawnService, startRedis } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';

/** What a command printed, and the status it ended with. */
export interface Finished {
  readonly status: number | null;
  readonly output: string;
}

/** Databases and a Redis of a test's own, and the command on them. */
export interface Workbench {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  readonly env: Readonly<Record<string, string>>;
  readonly transport: ReturnType<typeof createRedisTransport>;
  /** Runs `bus` to its end. */
  bus(...args: string[]): Promise<Finished>;
  /** Runs `bus … --json`, which must end with 0 unless said otherwise, and returns what it printed. */
  json(args: readonly string[], status?: number): Promise<unknown>;
  /** Starts `bus` and returns at once. */
  start(...args: string[]): Promise<ServiceProcess>;
  /** Starts an outbox publisher, which looks after its streams only when asked to, and waits until it leads. */
  publisher(env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Inserts events in plain SQL, in one transaction. Returns their IDs in order. */
  insert(aggregateIds: readonly string[], payload?: string): Promise<string[]>;
  close(): Promise<void>;
}

const entry = new URL('main.ts', import.meta.url);
const publisherEntry = new URL('../../../services/outbox-publisher/src/main.ts', import.meta.url);

/** Runs `bus` to its end with nothing in its environment but this. */
export async function runBus(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Finished> {
  const running = await spawnService({ entry, args, env, name: 'bus' });
  const { code } = await running.exited;
  return { status: code, output: running.output() };
}

/** Sets up a workbench. */
export async function createWorkbench(postgresUrl: string): Promise<Workbench> {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis();
  const transport = createRedisTransport({ url: redis.url });
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };
  const running: ServiceProcess[] = [];

  return {
    database,
    redis,
    env,
    transport,
    bus: (...args) => runBus(args, env),
    json: async (args, status = 0) => {
      const finished = await runBus([...args, '--json'], env);
      if (finished.status !== status) throw new Error(`status ${finished.status}: ${finished.output}`);
      return JSON.parse(finished.output) as unknown;
    },
    start: async (...args) => {
      const started = await spawnService({ entry, args, env, name: 'bus' });
      running.push(started);
      return started;
    },
    publisher: async (more = {}) => {
      const started = await spawnService({
        entry: publisherEntry,
        env: { ...env, OUTBOX_SOURCE: 'billing', PUBLISH_SWEEP: '1h', ...more },
      });
      running.push(started);
      await started.waitFor(/leading: this publisher carries the outbox/);
      return started;
    },
    insert: async (aggregateIds, payload = '{"name":"Ann"}') => {
      const { rows } = await database.pool.query<{ event_id: string }>(
        `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
         select 'user', a.id, 'user.renamed', 'acme', 'alice', $2::json
         from unnest($1::text[]) with ordinality a(id, n) order by a.n returning event_id`,
        [aggregateIds, payload],
      );
      return rows.map((row) => row.event_id);
    },
    close: async () => {
      await Promise.all(running.map((started) => started.stop()));
      await transport.close();
      await redis.stop();
      await database.close();
    },
  };
}
