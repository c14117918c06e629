import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { registerInboxGroup } from '@event-bus/inbox';
import {
  eventually,
  type RedisServer,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '@event-bus/testkit';
import {
  derivedKeys,
  ENTRY_FIELDS,
  type EntryMover,
  type FailureRecord,
  type GroupReader,
  type GroupRef,
  HANDED_BACK,
  placeKey,
  type StreamObserver,
} from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import type { Redis } from 'ioredis';
import { sql } from 'kysely';
import { type Account, accountOf, expectBalanced, pendingEvents } from './account.ts';
import { handleEntry, type TestEntry } from './handle-entry.ts';

/** One group of one stream on servers of its own, movers as processes, and what a runner would do to them. */
export interface Stage {
  readonly database: TestDatabase;
  readonly redis: RedisServer;
  readonly client: Redis;
  readonly reader: GroupReader;
  readonly mover: EntryMover;
  readonly streams: StreamObserver;
  readonly ref: GroupRef;
  spawn(env?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** Adds entries to the place and hands them to a consumer. */
  deliver(count: number, options?: DeliverOptions): Promise<TestEntry[]>;
  /** Hands so many entries of a place to a consumer. */
  take(count: number, place: GroupRef, consumer?: string): Promise<TestEntry[]>;
  /** Records that they failed for good, and hands them back, as a runner does. */
  fail(entries: readonly TestEntry[], change?: Partial<FailureRecord>, ref?: GroupRef): Promise<void>;
  /** Takes an entry out of the stream behind everybody's back, or all up to it: it is nobody's any more. */
  vanish(entry: TestEntry, how?: 'deleted' | 'trimmed'): Promise<void>;
  /** Lets entries look as if they had been handed out so often, and not been touched for so long. */
  age(entries: readonly TestEntry[], deliveries: number, idleMs: number): Promise<void>;
  handle(entry: TestEntry, during?: () => Promise<void>): Promise<'handled' | 'duplicate'>;
  /** A process that has an entry in hand, its transaction open, and commits when it gets SIGUSR2. */
  spawnHandler(entry: TestEntry, idleMs: number): Promise<ServiceProcess>;
  inbox(): Promise<Map<string, string>>;
  letters(): Promise<Map<string, { state: string; kind: string; dlqId: string | null }>>;
  /** Event IDs among the dead letters in Redis, in order. */
  copies(): Promise<string[]>;
  copiesCount(): Promise<number>;
  /** Waits until all letters are dead, so many copies stand, and each letter knows its own. */
  untilAllDead(count: number): Promise<void>;
  /** Has all letters redriven that are dead and know their copies: of others a copy would be left for the repair. */
  redriveAll(): Promise<void>;
  pending(): Promise<number>;
  /** What became of all that was delivered, told from the inbox, the letters, the copies and the pending lists. */
  account(): Promise<Account>;
  /** Ends everything, and fails the test unless all that was appended is accounted for. */
  close(): Promise<void>;
}

type Fields = Readonly<Record<string, string>>;

/** How entries are made and delivered. */
export interface DeliverOptions {
  readonly consumer?: string;
  readonly ref?: GroupRef;
  readonly fields?: (index: number) => Readonly<Record<string, string>>;
}

const usualTime = '2026-01-02T03:04:05.678901Z';

/** Whether the books go by its event ID. */
function isProper({
  event_id: eventId = '',
  occurred_at: occurredAt,
  replay_id: replayId = '',
}: Fields): boolean {
  return eventId.length === 36 && occurredAt === usualTime && replayId === '';
}

const stream = 'events:user';
const group = 'mail';
let position = 0;

/** The fields of an event. */
export function eventFields(change: Readonly<Record<string, string>> = {}): Record<string, string> {
  position += 1;
  const fields: Readonly<Record<string, string>> = {
    event_id: randomUUID(),
    source: 'test',
    position: String(position),
    event_type: 'user.renamed',
    event_version: '1',
    aggregate_type: 'user',
    aggregate_id: `u-${position}`,
    tenant_id: 'acme',
    actor_id: 'ann',
    occurred_at: usualTime,
    payload: '{"name":"Ann"}',
    ...change,
  };
  return Object.fromEntries(ENTRY_FIELDS.map((name) => [name, fields[name] ?? '']));
}

/** Sets up a stage on a PostgreSQL server, with a registered group that gives entries up after five deliveries. */
export async function createStage(
  postgresUrl: string,
  {
    onDeadLetter = 'continue',
    register = true,
    redis: config = {},
  }: {
    readonly onDeadLetter?: 'continue' | 'hold';
    readonly register?: boolean;
    /** Directives of its Redis. */
    readonly redis?: Readonly<Record<string, string>>;
  } = {},
): Promise<Stage> {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis({ config });
  const client = redis.client();
  const transport = createRedisTransport({ url: redis.url, commandTimeoutMs: 30_000 });
  const reader = transport.reader();
  const streams = transport.observer();
  const processes: ServiceProcess[] = [];
  const appended = new Set<string>();
  const ref: GroupRef = { stream, group };
  await sql`insert into topics (name, partitions) values ('user', 1)`.execute(database.db);
  if (register) {
    await registerInboxGroup(database.db, { group, onDeadLetter, maxDeliveries: 5, claimIdleMs: 2_000 });
  }
  await reader.ensureGroup(ref, '0');
  await reader.ensureGroup({ ...ref, injected: true }, '0');

  const stage: Stage = {
    database,
    redis,
    client,
    reader,
    mover: transport.mover(),
    streams,
    ref,
    async spawn(env = {}) {
      const process = await spawnService({
        entry: join(import.meta.dirname, '..', 'main.ts'),
        cwd: join(import.meta.dirname, '..', '..', '..', '..'),
        env: { DATABASE_URL: database.url, REDIS_URL: redis.url, SWEEP_EVERY: '100ms', ...env },
      });
      processes.push(process);
      await process.waitFor(/"msg":"started"/);
      return process;
    },
    async deliver(count, { consumer = 'runner', ref: place = ref, fields = () => eventFields() } = {}) {
      const made = Array.from({ length: count }, (_, index) => fields(index));
      for (let from = 0; from < made.length; from += 1_000) {
        const pipeline = client.pipeline();
        for (const one of made.slice(from, from + 1_000))
          pipeline.xadd(placeKey(place), '*', ...Object.entries(one).flat());
        await pipeline.exec();
      }
      const entries = await stage.take(count, place, consumer);
      for (const { fields: found } of entries) if (isProper(found)) appended.add(found.event_id ?? '');
      return entries;
    },
    async take(count, place, consumer = 'runner') {
      const entries: TestEntry[] = [];
      while (entries.length < count) {
        const read = await reader.read({ group, consumer, from: [place], count: 1_000, blockMs: 1_000 });
        entries.push(...read.map(({ id, fields }) => ({ id, fields })));
      }
      return entries;
    },
    async fail(entries, change = {}, place = ref) {
      const records = entries.map(({ id, fields }): [string, FailureRecord] => [
        id,
        {
          eventId: fields.event_id ?? '',
          attempts: 3,
          final: true,
          isOwn: false,
          kind: 'attempts',
          reason: 'attempts used up: 3 of 3 failed',
          error: 'Error: no luck',
          stack: '    at handle (/app/handler.ts:1:2)',
          history: [{ at: 1_790_000_000_000, consumer: 'runner', error: 'Error: no luck' }],
          firstDeliveredAt: 1_790_000_000_000,
          failedAt: 1_790_000_001_000,
          dueAt: 0,
          ...change,
        },
      ]);
      await reader.recordFailures(place, 'runner', new Map(records));
      await reader.release(
        place,
        'runner',
        entries.map(({ id }) => ({ id, deliveries: 1 })),
      );
    },
    async vanish({ id, fields }, how = 'deleted') {
      if (how === 'deleted') await client.xdel(stream, id);
      else
        await client.xtrim(
          stream,
          'MINID',
          id.replace(/\d+$/, (sequence) => String(Number(sequence) + 1)),
        );
      appended.delete(fields.event_id ?? '');
    },
    async age(entries, deliveries, idleMs) {
      for (let from = 0; from < entries.length; from += 1_000) {
        const ids = entries.slice(from, from + 1_000).map(({ id }) => id);
        await client.xclaim(
          stream,
          group,
          'runner',
          0,
          ...ids,
          'IDLE',
          idleMs,
          'RETRYCOUNT',
          deliveries,
          'JUSTID',
        );
      }
    },
    handle: (entry, during) =>
      handleEntry(entry, { db: database.db, reader, ref, ...(during === undefined ? {} : { during }) }),
    async spawnHandler(entry, idleMs) {
      const process = await spawnService({
        entry: new URL('./handler-process.ts', import.meta.url),
        env: {
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          ENTRY: JSON.stringify(entry),
          GROUP: group,
          STREAM: stream,
          IDLE_MS: String(idleMs),
        },
      });
      processes.push(process);
      await process.waitFor(/in hand/);
      return process;
    },
    async inbox() {
      const rows = await database.db.selectFrom('inbox_events').select(['event_id', 'outcome']).execute();
      return new Map(rows.map((row) => [row.event_id, row.outcome]));
    },
    async letters() {
      const rows = await database.db
        .selectFrom('dead_letters')
        .select(['event_id', 'state', 'kind', 'dlq_id'])
        .execute();
      return new Map(
        rows.map((row) => [row.event_id, { state: row.state, kind: row.kind, dlqId: row.dlq_id }]),
      );
    },
    async copies() {
      const key = derivedKeys.deadLetters(stream, group);
      const ids: string[] = [];
      let from = '-';
      for (;;) {
        const page = await streams.range(key, from, '+', 1_000);
        const last = page.at(-1);
        if (last === undefined) return ids;
        ids.push(...page.map(({ fields }) => fields.event_id ?? ''));
        from = `(${last.id}`;
      }
    },
    copiesCount: () => client.xlen(derivedKeys.deadLetters(stream, group)),
    async untilAllDead(count) {
      await eventually(
        async () => {
          const letters = [...(await stage.letters()).values()];
          const areDead = letters.every(({ state, dlqId }) => state === 'dead' && dlqId !== null);
          return letters.length === count && areDead && (await stage.copiesCount()) === count;
        },
        { message: `${count} to be dead` },
      );
    },
    async redriveAll() {
      await eventually(async () =>
        [...(await stage.letters()).values()].every(({ dlqId }) => dlqId !== null),
      );
      await database.db.updateTable('dead_letters').set({ state: 'redriving' }).execute();
    },
    async pending() {
      const statuses = await streams.groups(stream);
      const status = statuses.find((one) => one.group === group);
      const names = status?.consumers.filter(({ name }) => name !== HANDED_BACK) ?? [];
      if (names.some(({ name }) => name.startsWith('mover'))) throw new Error('a mover left its name behind');
      return status?.pending ?? 0;
    },
    async account() {
      const [inbox, letters, copies, waiting] = await Promise.all([
        stage.inbox(),
        stage.letters(),
        stage.copies(),
        pendingEvents(streams, ref),
      ]);
      return accountOf({ appended, inbox, letters, copies, waiting });
    },
    async close() {
      // A copy may stand twice until the next look of those that repair.
      await eventually(async () => {
        expectBalanced(await stage.account());
        return true;
      });
      await Promise.all(processes.map((process) => process.stop()));
      const account = await stage.account();
      await transport.close();
      await redis.stop();
      await database.close();
      expectBalanced(account);
    },
  };
  return stage;
}
