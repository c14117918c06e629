import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type ArchiveStore, findCoverage, openArchiveStore, writeEntries } from '@event-bus/archive';
import { loadReplay, type Replay, registerGroup, registerTopics } from '@event-bus/database';
import { createTestDatabase } from '@event-bus/database/testing';
import { planReplay, type ReplayWish, requestReplay } from '@event-bus/operations';
import {
  createTemporaryFolder,
  eventually,
  type ServiceProcess,
  spawnService,
  startRedis,
} from '@event-bus/testkit';
import { derivedKeys, ENTRY_FIELDS, type StreamEntry, streamKeys } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import type { Redis } from 'ioredis';

/** An event that the group was given through an inject stream of its. */
export interface Given {
  readonly stream: string;
  readonly eventId: string;
  readonly aggregateId: string;
  readonly replayId: string;
}

const stream = 'events:user';
const group = 'directory';
const ref = { stream, group };
const hour = 3_600_000;

/**
 * A topic with its archive, a group that settles what is injected for it, and replayers as processes. What is not told of
 * which stream it is happens on that of a topic with one.
 */
export async function createStage(postgresUrl: string, { partitions = 1 } = {}) {
  const database = await createTestDatabase(postgresUrl);
  const redis = await startRedis();
  const client: Redis = redis.client();
  const transport = createRedisTransport({ url: redis.url, commandTimeoutMs: 30_000 });
  const [writer, reader, mover, streams] = [
    transport.writer(),
    transport.reader(),
    transport.mover(),
    transport.observer(),
  ];
  const folder = createTemporaryFolder('replay');
  const archive = { ARCHIVE_URL: { kind: 'file' as const, path: folder.path } };
  const store: ArchiveStore = await openArchiveStore(archive);
  const processes: ServiceProcess[] = [];
  const given: Given[] = [];
  const stopping = new AbortController();
  let isPaused = false;
  let atRest = Promise.withResolvers<void>();
  let position = 0;
  const last = new Map<string, string>();
  const partitionStreams = streamKeys('user', partitions);
  let reading: Promise<void> = Promise.resolve();

  await registerTopics(database.db, [{ name: 'user', partitions }]);
  await registerGroup(database.db, {
    name: group,
    topics: ['user'],
    ordering: 'aggregate',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });

  function eventFields(change: Readonly<Record<string, string>> = {}): Record<string, string> {
    position += 1;
    const fields: Readonly<Record<string, string>> = {
      event_id: randomUUID(),
      source: 'test',
      position: String(position),
      event_type: 'user.renamed',
      event_version: '1',
      aggregate_type: 'user',
      aggregate_id: `u-${position % 7}`,
      tenant_id: 'acme',
      actor_id: 'ann',
      occurred_at: new Date().toISOString(),
      payload: '{"name":"Ann"}',
      ...change,
    };
    return Object.fromEntries(ENTRY_FIELDS.map((name) => [name, fields[name] ?? '']));
  }

  /** What a runner does with what is injected: take it, note it, acknowledge it. */
  async function settleInjected(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        for (const each of partitionStreams)
          await reader.ensureGroup({ stream: each, group, injected: true }, '0');
        if (isPaused) {
          atRest.resolve();
          await eventually(() => !isPaused || stopping.signal.aborted, { timeoutMs: 60_000 });
        }
        const entries = await reader.read({
          group,
          consumer: 'test',
          from: partitionStreams.map((each) => ({ stream: each, injected: true })),
          count: 100,
          blockMs: 50,
        });
        for (const { stream: from, fields } of entries) {
          given.push({
            stream: from,
            eventId: fields.event_id ?? '',
            aggregateId: fields.aggregate_id ?? '',
            replayId: fields.replay_id ?? '',
          });
        }
        for (const [from, own] of Map.groupBy(entries, (entry) => entry.stream)) {
          const names = own.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' }));
          await reader.acknowledge({ stream: from, group, injected: true }, names);
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (!(error instanceof Error && 'code' in error)) throw error;
      }
    }
  }
  reading = settleInjected();

  const stage = {
    database,
    redis,
    client,
    mover,
    store,
    streams,
    stream,
    partitionStreams,
    ref,
    folder,
    archive,
    history: { store, streams },
    given,
    eventFields,
    eventIds: () => given.map(({ eventId }) => eventId),
    /** Resolves when the group has settled what it has taken, and takes nothing more. */
    pauseGroup: (): Promise<void> => {
      isPaused = true;
      atRest = Promise.withResolvers();
      return atRest.promise;
    },
    resumeGroup: () => {
      isPaused = false;
    },
    /** Publishes so many events and returns their fields, in order. */
    async publish(
      count: number,
      change: (index: number) => Readonly<Record<string, string>> = () => ({}),
      to: string = stream,
    ): Promise<Record<string, string>[]> {
      const events = Array.from({ length: count }, (_, index) => eventFields(change(index)));
      await stage.write(events, to);
      return events;
    },
    async write(events: readonly Readonly<Record<string, string>>[], to: string = stream): Promise<void> {
      for (let at = 0; at < events.length; at += 500) {
        const page = events.slice(at, at + 500);
        const entries = page.map((fields) => ENTRY_FIELDS.map((name) => fields[name] ?? ''));
        const before = last.get(to);
        const expect = { eventId: before ?? null, present: before !== undefined };
        const { outcome } = await writer.append(to, { source: 'test', expect, entries });
        if (outcome !== 'appended') throw new Error('refused');
        last.set(to, page.at(-1)?.event_id ?? '');
      }
    },
    /** Writes events again after Redis has forgotten everything. */
    async writeAgain(events: readonly Readonly<Record<string, string>>[]): Promise<void> {
      last.clear();
      await stage.write(events);
    },
    /** Archives what the stream holds up to its n-th entry, and trims as much of it. */
    async archiveAndTrim(count: number, of: string = stream): Promise<void> {
      const entries = await streams.range(of, '-', '+', count);
      const trimmedTo = (await streams.stream(of)).trimmedTo ?? '0-0';
      const { upTo } = await findCoverage(store, { stream: of, after: trimmedTo });
      const isNew = ({ id }: StreamEntry) => id.localeCompare(upTo, 'en', { numeric: true }) > 0;
      const options = { stream: of, after: upTo, entries: entries.filter(isNew), maxObjectBytes: 8_192 };
      await Array.fromAsync(writeEntries(store, options));
      const lastId = entries.at(-1)?.id;
      if (lastId === undefined) return;
      const [ms, sequence] = lastId.split('-');
      await client
        .multi()
        .hset(derivedKeys.writers(of), '@trimmed', lastId)
        .xtrim(of, 'MINID', `${ms}-${Number(sequence) + 1}`)
        .exec();
    },
    /** Archives events of past hours, one object each, as if they had been trimmed long ago. */
    async archivePast(hours: number, eventsOf: (hour: number) => Record<string, string>[]): Promise<void> {
      const firstHour = Math.floor(Date.now() / hour) - hours - 30;
      const objects = Array.from({ length: hours }, (_, n) => {
        const ms = (firstHour + n) * hour;
        return eventsOf(n).map((fields, index) => ({
          id: `${ms + index}-0`,
          fields: { ...fields, occurred_at: new Date(ms + index).toISOString() },
        }));
      });
      for (let n = 0; n < hours; n += 20) {
        await Promise.all(
          objects.slice(n, n + 20).map((entries, index) => {
            const after = objects[n + index - 1]?.at(-1)?.id ?? '0-0';
            return Array.fromAsync(writeEntries(store, { stream, after, entries }));
          }),
        );
      }
      const after = objects.at(-1)?.at(-1)?.id ?? '0-0';
      await client.hset(derivedKeys.writers(stream), '@trimmed', after);
    },
    async plan(wish: Partial<ReplayWish> = {}) {
      const whole = { group, topic: 'user', eventType: null, tenantId: null, aggregateId: null };
      const from = { at: new Date(Date.now() - 2_000 * hour) };
      return planReplay(database.db, stage.history, { ...whole, from, to: undefined, ...wish });
    },
    /** Asks for a replay, of everything there is unless told otherwise. */
    async request(wish: Partial<ReplayWish> = {}, rate: number | null = null): Promise<string> {
      return requestReplay(database.db, await stage.plan(wish), { operator: 'ann', reason: 'a test', rate });
    },
    async replay(id: string): Promise<Replay> {
      const replay = await loadReplay(database.db, id);
      if (replay === undefined) throw new Error(`there is no replay ${id}`);
      return replay;
    },
    async until(id: string, state: Replay['state'], timeoutMs = 40_000): Promise<Replay> {
      await eventually(async () => (await stage.replay(id)).state === state, {
        timeoutMs,
        message: `the replay to be ${state}`,
      });
      return stage.replay(id);
    },
    async spawn(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
      const process = await spawnService({
        entry: join(import.meta.dirname, 'main.ts'),
        env: {
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          ARCHIVE_URL: `file://${folder.path}`,
          REPLAY_POLL: '100ms',
          REPLAY_LOCK: '1s',
          REPLAY_AHEAD: '150',
          ...env,
        },
      });
      processes.push(process);
      await process.waitFor(/"msg":"started"/);
      return process;
    },
    async close(): Promise<void> {
      stopping.abort();
      for (const process of processes) process.kill('SIGKILL');
      await Promise.all(processes.map(({ exited }) => exited));
      await reading;
      await Promise.all([transport.close(), store.close()]);
      await redis.stop();
      await database.close();
      await folder.remove();
    },
  };
  return stage;
}

/** What {@link createStage} returns. */
export type Stage = Awaited<ReturnType<typeof createStage>>;

/** The first appearance of each, in order. */
export function firstOf<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}
