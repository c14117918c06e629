import type { BusDatabase } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { type RedisServer, startRedis } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { type Kysely, sql } from 'kysely';
import { createPublisher } from './publisher.ts';
import { defaultSettings, type PublisherSettings } from './settings.ts';

/** An entry of a stream, as redis-cli would show it. */
export interface SeenEntry {
  readonly id: string;
  readonly eventId: string;
  readonly aggregateId: string;
  readonly position: number;
}

/** A publisher that runs in this process, on an outbox and a Redis of its own. */
export interface Bench {
  readonly database: TestDatabase;
  readonly db: Kysely<BusDatabase>;
  readonly redis: RedisServer;
  /** What the publishers logged, one object a line. */
  readonly logs: Record<string, unknown>[];
  /** Starts another publisher. */
  start(settings?: Partial<PublisherSettings>, redisUrl?: string): RunningPublisher;
  /** Every entry of a stream, read without any code of the bus. */
  entries(stream: string): Promise<SeenEntry[]>;
  /** Inserts events as a producer in plain SQL would, in one transaction. Returns their IDs. */
  insert(aggregateIds: readonly string[], topic?: string): Promise<string[]>;
  close(): Promise<void>;
}

/** Handle on a publisher that runs in this process. */
export interface RunningPublisher {
  /** Rejects if the publisher does. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** What a comparison of a stream with the log it was written from has found. Nothing but `repeated` may be anything. */
export interface Audit {
  /** Event IDs that are committed and not in the stream. */
  readonly missing: readonly string[];
  /** Event IDs that are in the stream and not committed. */
  readonly unknown: readonly string[];
  /** Aggregates whose events appear (for the first time) in another order than that of their positions. */
  readonly disordered: readonly string[];
  /** Event IDs that are in the stream more than once. */
  readonly repeated: readonly string[];
  /** Numbers of recorded batches whose last entry is not where the record says. */
  readonly misplaced: readonly number[];
  /** Event IDs that `outbox_status` does not call published. */
  readonly unpublished: readonly string[];
}

/** What an audit finds when nothing is wrong, but for what may be repeated. */
export const sound = { missing: [], unknown: [], disordered: [], misplaced: [], unpublished: [] } as const;

/** Sets up a bench. */
export async function createBench(
  postgresUrl: string,
  redisConfig: Record<string, string> = {},
  // What is answered too late while a stream is made whole is written again: rightly, and a test may count copies.
  commandTimeoutMs = 30_000,
): Promise<Bench> {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis({ config: redisConfig });
  const client = redis.client();
  const logs: Record<string, unknown>[] = [];
  const logger = createLogger({
    service: 'bench',
    level: 'info',
    destination: { write: (line) => void logs.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const running: RunningPublisher[] = [];
  let started = 0;

  return {
    database,
    db: database.db,
    redis,
    logs,
    start: (settings = {}, redisUrl = redis.url) => {
      started += 1;
      const transport = createRedisTransport({ url: redisUrl, commandTimeoutMs });
      const publisher = createPublisher({
        pool: database.pool,
        directUrl: database.url,
        busDatabase: database.db,
        transport,
        settings: { ...defaultSettings, source: 'bench', sweepMs: 200, ...settings },
        logger,
        name: `bench-publisher-${started}`,
      });
      const drain = new AbortController();
      const abort = new AbortController();
      const run = async () => {
        try {
          await publisher.run({ drain: drain.signal, abort: abort.signal });
        } finally {
          await transport.close();
        }
      };
      const ended = run();
      ended.catch(() => 'whoever awaits it learns of it');
      const handle = {
        ended,
        stop: async () => {
          drain.abort();
          const giveUp = setTimeout(() => abort.abort(new Error('the test is over')), 5_000);
          await ended.catch(() => undefined);
          clearTimeout(giveUp);
        },
      };
      running.push(handle);
      return handle;
    },
    entries: async (stream) => {
      const raw = (await client.call('XRANGE', stream, '-', '+')) as [string, string[]][];
      return raw.map(([id, fields]) => {
        const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
        return {
          id,
          eventId: value('event_id'),
          aggregateId: value('aggregate_id'),
          position: Number(value('position')),
        };
      });
    },
    insert: async (aggregateIds, topic = 'user') => {
      const { rows } = await sql<{ event_id: string }>`
        insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
        select ${topic}, a.id, 'test.happened', 'acme', 'alice', '{"n": 1}'
        from unnest(${[...aggregateIds]}::text[]) as a(id)
        returning event_id`.execute(database.db);
      return rows.map((row) => row.event_id);
    },
    close: async () => {
      await Promise.all(running.map((publisher) => publisher.stop()));
      client.disconnect();
      await redis.stop();
      await database.close();
    },
  };
}

/** Compares the stream of a topic with the log, without any code of the publisher. */
export async function audit(bench: Bench, topic = 'user'): Promise<Audit> {
  const stream = `events:${topic}`;
  const [log, batches, entries] = await Promise.all([
    bench.db
      .selectFrom('outbox_status')
      .select(['event_id', 'status'])
      .where('aggregate_type', '=', topic)
      .execute(),
    sql<{ number: string; last_id: string; last_event_id: string }>`
      select number::text, last_id, last_event_id::text from outbox_batches where stream = ${stream}
    `.execute(bench.db),
    bench.entries(stream),
  ]);
  const committed = new Set(log.map((row) => row.event_id));
  const seen = new Map<string, SeenEntry>();
  const repeated = new Set<string>();
  const latest = new Map<string, number>();
  const disordered = new Set<string>();
  for (const entry of entries) {
    if (seen.has(entry.eventId)) {
      repeated.add(entry.eventId);
      continue;
    }
    seen.set(entry.eventId, entry);
    if ((latest.get(entry.aggregateId) ?? 0) > entry.position) disordered.add(entry.aggregateId);
    latest.set(entry.aggregateId, entry.position);
  }
  const byId = new Map(entries.map((entry) => [entry.id, entry.eventId]));
  return {
    missing: [...committed].filter((id) => !seen.has(id)),
    unknown: [...seen.keys()].filter((id) => !committed.has(id)),
    disordered: [...disordered],
    repeated: [...repeated],
    misplaced: batches.rows
      .filter((batch) => byId.get(batch.last_id) !== batch.last_event_id)
      .map((batch) => Number(batch.number)),
    unpublished: log.filter((row) => row.status !== 'published').map((row) => row.event_id),
  };
}
