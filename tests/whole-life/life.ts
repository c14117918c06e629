import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createFileStore, readEntries } from '../../packages/archive/src/index.ts';
import { userRenamed } from '../../packages/contracts/src/index.ts';
import { createTestDatabase, type TestDatabase } from '../../packages/database/src/testing.ts';
import { createOutbox } from '../../packages/outbox/src/index.ts';
import {
  createTemporaryFolder,
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
} from '../../packages/testkit/src/index.ts';
import { startRedisWithUsers } from '../redis-users/server.ts';
import { ageInbox, ageOutbox } from './age.ts';

const root = join(import.meta.dirname, '..', '..');
const stream = 'events:user';
const outbox = createOutbox();

const runner = (group: string, own: Readonly<Record<string, string>>) => ({
  service: 'consumer-runner',
  user: 'runner',
  env: { CONSUMERS: join(root, 'tests', 'whole-life'), LIFE_GROUP: group, ...own },
});

/** The processes of a whole bus, each of which may be killed, and the user that each is in Redis. */
const parts = {
  publisher: {
    service: 'outbox-publisher',
    user: 'publisher',
    env: { OUTBOX_KEEP: '1s', OUTBOX_PRUNE_EVERY: '200ms' },
  },
  mover: { service: 'dlq-mover', user: 'mover', env: {} },
  archiver: { service: 'retention-archiver', user: 'archiver', env: { ARCHIVE_EVERY: '300ms' } },
  replayer: { service: 'replayer', user: 'replayer', env: { REPLAY_AHEAD: '100' } },
  unordered: runner('unordered', {}),
  ordered: runner('ordered', { LIFE_ORDERING: 'aggregate' }),
  late: runner('late', { LIFE_ORDERING: 'aggregate', LIFE_START: 'archive' }),
} as const;

export type Part = keyof typeof parts;

/** An event as it was appended. */
export interface Published {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly isPoison: boolean;
}

/** What handling an event left behind. */
export interface Effect {
  readonly event_id: string;
  readonly aggregate_id: string;
}

/** A bus on servers of its own, with windows so short that all of it happens within a minute. */
export interface Life {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  /** Everything that was appended, in order. */
  readonly published: readonly Published[];
  start(part: Part): Promise<void>;
  /** Kills a process as a crash does, and starts it anew. */
  crash(part: Part): Promise<void>;
  /** All that these processes have printed, the killed ones too. */
  outputs(part: Part): string;
  /** Appends events, without a pause for long, until it is stopped. */
  startTraffic(): { stop(): Promise<void> };
  /** Up to which position the stream is archived, settled by all groups, and trimmed; 0 if it is not. */
  trimmed(): Promise<number>;
  /**
   * Lets all that is trimmed pass the windows of outbox and inbox, as if months had gone by, and waits until both have
   * forgotten it.
   */
  growOld(): Promise<void>;
  /** Effects of a group in the order in which they were written. */
  effects(group: string, isReplay?: boolean): Promise<Effect[]>;
  /** The events that stand in the archive or in the stream. */
  kept(): Promise<Set<string>>;
  bus(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }>;
  close(): Promise<void>;
}

/** Creates the servers; nothing runs on them yet. */
export async function createLife(postgresUrl: string): Promise<Life> {
  const database = await createTestDatabase(postgresUrl);
  const { pool } = database;
  await pool.query(`
    create table mood (is_cured boolean not null default false);
    insert into mood default values;
    create table effects (number bigint generated always as identity, consumer_group text not null,
      event_id uuid not null, aggregate_id text not null, is_replay boolean not null)`);
  const server = await startRedisWithUsers();
  const { redis } = server;
  const client = redis.client();
  const folder = createTemporaryFolder('whole-life');
  const store = createFileStore({ path: folder.path });
  const env = {
    DATABASE_URL: database.url,
    JOBS_REDIS_URL: server.urlOf('jobs'),
    ARCHIVE_URL: `file://${folder.path}`,
    RETENTION: '*.hot=1s',
  };
  const quick = {
    OUTBOX_SOURCE: 'life',
    PUBLISH_SWEEP: '300ms',
    SWEEP_EVERY: '200ms',
    CLAIM_IDLE: '1s',
    RECLAIM_EVERY: '200ms',
    LEASE_TTL: '2s',
    INBOX_PRUNE_EVERY: '200ms',
    REPLAY_POLL: '200ms',
    REPLAY_LOCK: '1s',
  };
  const started = new Map<Part, ServiceProcess[]>();
  const published: Published[] = [];

  const start: Life['start'] = async (part) => {
    const { service, user, env: own } = parts[part];
    const entry = join(root, 'services', service, 'src', 'main.ts');
    const settings = { ...env, REDIS_URL: server.urlOf(user), ...quick, ...own };
    const process = await spawnService({ entry, cwd: root, env: settings });
    started.set(part, [...(started.get(part) ?? []), process]);
    await process.waitFor(/"msg":"started"/);
  };

  async function append(): Promise<void> {
    const facts = Array.from({ length: 10 }, (_, n) => ({
      aggregateId: `user-${(published.length + n) % 37}`,
      isPoison: (published.length + n) % 40 === 7,
    }));
    const events = facts.map(({ aggregateId, isPoison }) =>
      userRenamed({
        aggregateId,
        tenantId: 'acme',
        actorId: 'ann',
        payload: { name: isPoison ? 'poison' : 'Ann' },
      }),
    );
    const written = await database.db.transaction().execute((trx) => outbox.append(trx, ...events));
    for (const [n, own] of facts.entries()) published.push({ ...own, eventId: written[n]?.eventId ?? '' });
  }

  const count = async (query: string, ...values: readonly unknown[]) => {
    const { rows } = await pool.query<{ count: number }>(query, [...values]);
    return rows[0]?.count ?? 0;
  };
  const trimmed = () =>
    count('select coalesce(max(trimmed_position), 0)::int as count from stream_retention_sources');

  return {
    database,
    redis,
    published,
    start,
    async crash(part) {
      const process = started.get(part)?.at(-1);
      process?.kill('SIGKILL');
      await process?.exited;
      await start(part);
    },
    outputs: (part) => (started.get(part) ?? []).map((process) => process.output()).join('\n'),
    startTraffic() {
      const stopping = new AbortController();
      const running = (async () => {
        while (!stopping.signal.aborted) {
          await append();
          await delay(150);
        }
      })();
      return {
        stop: () => {
          stopping.abort();
          return running;
        },
      };
    },
    trimmed,
    async growOld() {
      const position = await trimmed();
      await ageOutbox(pool, position);
      const left = 'select count(*)::int as count from outbox_events where position <= $1';
      await eventually(async () => (await count(left, position)) === 0, { message: 'the outbox to forget' });
      if ((await ageInbox(pool, position)) === 0) throw new Error('the inbox had nothing to forget');
      const remembered = `select count(*)::int as count from inbox_events where occurred_at < '2020-01-02'`;
      await eventually(async () => (await count(remembered)) === 0, { message: 'the inbox to forget' });
    },
    async effects(group, isReplay = false) {
      const { rows } = await pool.query<Effect>(
        'select event_id, aggregate_id from effects where consumer_group = $1 and is_replay = $2 order by number',
        [group, isReplay],
      );
      return rows;
    },
    async kept() {
      const kept = new Set<string>();
      for (const [, fields] of await client.xrange(stream, '-', '+')) kept.add(fields[1] ?? '');
      for await (const { fields } of readEntries(store, { stream })) kept.add(fields.event_id ?? '');
      return kept;
    },
    async bus(...args) {
      const entry = join(root, 'packages', 'cli', 'src', 'main.ts');
      const settings = { ...env, REDIS_URL: server.urlOf('operator') };
      const command = await spawnService({ entry, args, env: settings, name: 'bus' });
      const { code } = await command.exited;
      return { code, output: command.output() };
    },
    async close() {
      await Promise.all([...started.values()].flat().map((process) => process.stop()));
      await store.close();
      await server.close();
      await database.close();
      await folder.remove();
    },
  };
}
