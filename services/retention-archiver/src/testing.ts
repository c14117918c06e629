import { join } from 'node:path';
import { type ArchiveStore, readEntries } from '@event-bus/archive';
import { createS3Store } from '@event-bus/archive/s3';
import type { TopicRetention } from '@event-bus/contracts';
import { registerGroup, registerTopics } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createPolicies, type RetentionView, retentionStatus } from '@event-bus/operations';
import { createPublisher, defaultSettings } from '@event-bus/publisher';
import { createLogger } from '@event-bus/telemetry';
import {
  type RedisServer,
  type S3Server,
  type ServiceProcess,
  spawnService,
  startRedis,
  startS3,
} from '@event-bus/testkit';
import { derivedKeys, type EventTransport, type StreamEntry } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import type { Redis } from 'ioredis';
import { sql } from 'kysely';
import { createArchiverObserver } from './observer.ts';
import { sweepStream } from './stream-sweep.ts';
import type { SweepParts } from './sweep.ts';

export const topic = 'user';
export const stream = 'events:user';
export const bucket = 'archive';

const root = join(import.meta.dirname, '..', '..', '..');

/** Servers of a test's own: outbox, stream and archive, and who works on them. */
export interface Stage {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  readonly client: Redis;
  readonly s3: S3Server;
  readonly store: ArchiveStore;
  readonly transport: EventTransport;
  readonly parts: SweepParts;
  /** What the sweeps of this process logged. */
  readonly logs: Record<string, unknown>[];
  /** Environment of processes that work here. */
  readonly env: Readonly<Record<string, string>>;
  /** One sweep by this process; everything but the newest entry is out of the window, unless `policy` says otherwise. */
  sweep(policy?: Partial<TopicRetention>, own?: Partial<SweepParts>): Promise<boolean>;
  /** Writes many small entries of ten minutes ago to a stream, as one source does. */
  fill(key: string, count: number): Promise<void>;
  /** Commits events to the outbox. */
  append(count: number): Promise<void>;
  /** Starts a publisher in this process. */
  startPublisher(): { stop(): Promise<void> };
  spawn(service: string, env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Registers a group, of the stream's topic unless told otherwise, which has yet to come to Redis. */
  register(group: string, topics?: string[]): Promise<void>;
  /** Registers a group and creates it at the beginning of the stream. */
  join(group: string): Promise<void>;
  /** Has a group settle all that it is given, or so many. */
  settle(group: string, count?: number): Promise<void>;
  standing(): Promise<StreamEntry[]>;
  archived(): Promise<StreamEntry[]>;
  status(policy?: Partial<TopicRetention>): Promise<RetentionView | undefined>;
  /** Compares what was committed with the union of archive and stream. */
  union(): Promise<{ readonly missing: number; readonly unknown: number; readonly altered: number }>;
  close(): Promise<void>;
}

/** The IDs of entries. */
export const idsOf = (entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id);

const shortest: TopicRetention = { hotMs: 1, hotBytes: null, coldMs: 86_400_000, compliance: false };

/** Sets up a stage with one registered topic and an empty bucket. */
export async function createStage(
  postgresUrl: string,
  options: { readonly objectLock?: boolean } = {},
): Promise<Stage> {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis();
  const s3 = await startS3();
  s3.createBucket(bucket, options);
  const client = redis.client();
  // Where the SDK looks for credentials.
  Object.assign(process.env, s3.env);
  const store = createS3Store({
    bucket,
    prefix: '',
    endpoint: s3.endpoint,
    region: 'us-east-1',
    attempts: 2,
  });
  const transport = createRedisTransport({ url: redis.url });
  const logs: Record<string, unknown>[] = [];
  const logger = createLogger({
    service: 'stage',
    level: 'info',
    destination: { write: (line) => void logs.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const [streams, trimmer, reader] = [transport.observer(), transport.trimmer(), transport.reader()];
  const parts: SweepParts = {
    bus: database.db,
    store,
    streams,
    trimmer,
    observer: createArchiverObserver(logger),
    archiveAfterMs: 0,
    maxObjectBytes: 64 * 1024,
    lock: undefined,
  };
  const processes: ServiceProcess[] = [];
  const publishers: (() => Promise<void>)[] = [];
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ARCHIVE_URL: `s3://${bucket}`,
    ...s3.env,
  };
  await registerTopics(database.db, [{ name: topic, partitions: 1 }]);

  async function register(name: string, topics = [topic]): Promise<void> {
    const rest = { ordering: 'none', startFrom: 'beginning', startPositions: new Map(), policy: {} } as const;
    await registerGroup(database.db, { name, topics, ...rest });
  }

  const stage: Stage = {
    database,
    redis,
    client,
    s3,
    store,
    transport,
    parts,
    logs,
    env,
    sweep: (policy = {}, own = {}) =>
      sweepStream(
        { ...parts, ...own },
        { stream, topic, policy: { ...shortest, ...policy } },
        new AbortController().signal,
      ),
    async fill(key, count) {
      const at = Date.now() - 600_000;
      for (let n = 1; n <= count; ) {
        const page = client.pipeline();
        for (const end = Math.min(n + 1_000, count + 1); n < end; n += 1)
          page.xadd(key, `${at}-${n}`, 'event_id', `e${n}`, 'source', 's', 'position', n, 'payload', '{}');
        await page.exec();
      }
      await client.hset(derivedKeys.writers(key), 's', `${at}-${count} e${count}`);
    },
    async append(count) {
      await sql`
        insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
        select ${topic}, 'u-' || n % 7, 'test.happened', 'acme', 'alice',
          json_build_object('n', n, 'text', repeat('ü', (n * 37) % 300)) from generate_series(1, ${count}::int) n
      `.execute(database.db);
    },
    startPublisher() {
      const [drain, abort] = [new AbortController(), new AbortController()];
      const own = createRedisTransport({ url: redis.url, commandTimeoutMs: 30_000 });
      const settings = {
        ...defaultSettings,
        source: 'stage',
        sweepMs: 200,
        sessionTimeoutMs: 60_000,
        pageSize: 50,
      };
      const running = createPublisher({
        pool: database.pool,
        directUrl: database.url,
        busDatabase: database.db,
        transport: own,
        settings,
        logger,
        name: 'stage-publisher',
      }).run({ drain: drain.signal, abort: abort.signal });
      const stop = async () => {
        drain.abort();
        await running;
        await own.close();
      };
      publishers.push(stop);
      return { stop };
    },
    async spawn(service, own = {}) {
      const entry = join(root, 'services', service, 'src', 'main.ts');
      const spawned = await spawnService({ entry, cwd: root, env: { ...env, ...own } });
      processes.push(spawned);
      await spawned.waitFor(/"msg":"started"/);
      return spawned;
    },
    register,
    async join(group) {
      await register(group);
      await reader.ensureGroup({ stream, group }, '0');
    },
    async settle(group, count = 100_000) {
      const request = { group, consumer: 'c', from: [{ stream }], blockMs: 0 };
      for (let left = count; left > 0; ) {
        const taken = await reader.read({ ...request, count: Math.min(left, 500) });
        if (taken.length === 0) return;
        left -= taken.length;
        const names = taken.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' }));
        await reader.acknowledge({ stream, group }, names);
      }
    },
    standing: () => streams.range(stream, '-', '+', 1_000_000),
    archived: () => Array.fromAsync(readEntries(store, { stream })),
    async status(policy = {}) {
      const policyOf = createPolicies([], new Map([['*', { ...shortest, ...policy }]]));
      const parts = { bus: database.db, observer: streams, trimmer, policyOf };
      return (await retentionStatus(parts, [stream])).views[0];
    },
    async union() {
      const { rows } = await database.pool.query<{ event_id: string; payload: string }>(
        'select event_id, payload::text as payload from outbox_events',
      );
      const found = new Map<string, string>();
      let altered = 0;
      for (const { fields } of [...(await stage.archived()), ...(await stage.standing())]) {
        const { event_id: eventId = '', payload = '' } = fields;
        if ((found.get(eventId) ?? payload) !== payload) altered += 1;
        found.set(eventId, payload);
      }
      const committed = new Map(rows.map((row) => [row.event_id, row.payload]));
      return {
        missing: [...committed.keys()].filter((id) => !found.has(id)).length,
        unknown: [...found.keys()].filter((id) => !committed.has(id)).length,
        altered: altered + [...found].filter(([id, payload]) => committed.get(id) !== payload).length,
      };
    },
    async close() {
      await Promise.all([...processes.map((spawned) => spawned.stop()), ...publishers.map((stop) => stop())]);
      await transport.close();
      await store.close();
      await s3.stop();
      await redis.stop();
      await database.close();
    },
  };
  return stage;
}

/** What a comparison finds when nothing is wrong. */
export const whole = { missing: 0, unknown: 0, altered: 0 } as const;
