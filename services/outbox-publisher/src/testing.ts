import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import {
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '@event-bus/testkit';
import { sql } from 'kysely';

/** What stands in the stream, compared with what was committed. */
export interface Comparison {
  readonly missing: number;
  readonly unknown: number;
  /** Aggregates whose events appear for the first time in another order than that of their positions. */
  readonly disordered: readonly string[];
  readonly repeated: number;
  readonly unpublished: number;
}

/** Publishers as processes of their own, with an outbox and a Redis that nobody else uses. */
export interface Stage {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  /** Starts a publisher; `env` replaces what it would be given. */
  spawn(env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** The process that leads, once its epoch is above `after`. */
  leader(after?: number): Promise<{ readonly process: ServiceProcess; readonly epoch: number }>;
  /** Ends the connections of who leads, that with the lead among them. */
  endLead(): Promise<void>;
  /** Appends small transactions one after the other, until told to stop. */
  produce(): { stop(): Promise<void> };
  append(count: number): Promise<void>;
  compare(): Promise<Comparison>;
  close(): Promise<void>;
}

/** Sets up a stage on a PostgreSQL server. */
export async function createStage(postgresUrl: string): Promise<Stage> {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis();
  const client = redis.client();
  const processes: ServiceProcess[] = [];
  const producers: { stop(): Promise<void> }[] = [];
  let turn = 0;

  const append = async (count: number) => {
    turn += 1;
    const aggregates = Array.from({ length: count }, (_, n) => `agg-${(turn * 3 + n) % 11}`);
    await sql`
      insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
      select 'user', a, 'test.happened', 'acme', 'alice', '{}' from unnest(${aggregates}::text[]) a
    `.execute(database.db);
  };

  const cursor = () =>
    database.db.selectFrom('outbox_cursor').select(['epoch', 'leader']).executeTakeFirstOrThrow();

  return {
    database,
    redis,
    append,
    spawn: async (env = {}) => {
      const child = await spawnService({
        entry: new URL('./main.ts', import.meta.url),
        env: {
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          OUTBOX_SOURCE: 'stage',
          PORT: '0',
          PUBLISH_BATCH_SIZE: '20',
          PUBLISH_SWEEP: '200ms',
          LEADER_SESSION_TIMEOUT: '1s',
          ...env,
        },
      });
      processes.push(child);
      return child;
    },
    leader: (after = 0) =>
      eventually(async () => {
        const { epoch, leader } = await cursor();
        const process = processes.find(({ pid }) => leader?.includes(`-${pid}-`));
        return Number(epoch) > after && process !== undefined && { process, epoch: Number(epoch) };
      }),
    endLead: async () => {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = (select leader from outbox_cursor)`.execute(database.db);
    },
    produce: () => {
      let stopped = false;
      const run = async () => {
        // A transaction that meets a restart of PostgreSQL fails; only the database knows whether it committed.
        while (!stopped) await append(4).catch(() => 'the database is away');
      };
      const running = run();
      const handle = {
        stop: async () => {
          stopped = true;
          await running;
        },
      };
      producers.push(handle);
      return handle;
    },
    compare: async () => {
      const log = await database.db.selectFrom('outbox_status').select(['event_id', 'status']).execute();
      const committed = new Set(log.map((row) => row.event_id));
      const entries = (await client.call('XRANGE', 'events:user', '-', '+')) as [string, string[]][];
      const seen = new Set<string>();
      const latest = new Map<string, number>();
      const disordered = new Set<string>();
      for (const [, fields] of entries) {
        const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
        if (seen.has(value('event_id'))) continue;
        seen.add(value('event_id'));
        const position = Number(value('position'));
        if ((latest.get(value('aggregate_id')) ?? 0) > position) disordered.add(value('aggregate_id'));
        latest.set(value('aggregate_id'), position);
      }
      return {
        missing: [...committed].filter((id) => !seen.has(id)).length,
        unknown: [...seen].filter((id) => !committed.has(id)).length,
        disordered: [...disordered],
        repeated: entries.length - seen.size,
        unpublished: log.filter((row) => row.status !== 'published').length,
      };
    },
    close: async () => {
      await Promise.all(producers.map((producer) => producer.stop()));
      for (const child of processes) child.kill();
      await Promise.all(processes.map((child) => child.exited));
      client.disconnect();
      await redis.stop();
      await database.close();
    },
  };
}
