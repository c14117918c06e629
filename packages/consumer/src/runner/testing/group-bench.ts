import { type AnyEventDefinition, platformCatalog, userDeleted, userRenamed } from '@event-bus/contracts';
import { createPool, pauseGroup, resumeGroup } from '@event-bus/database';
import { createTestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { eventually, type RedisServer, startRedis, uniquePrefix } from '@event-bus/testkit';
import type { EventTransport, FailureRecord, PendingEntry } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import type { Generated } from 'kysely';
import { type ConsumerDefinition, type ConsumerOptions, consumersFor } from '../../define-consumer.ts';
import { createDispatcher } from '../../dispatcher.ts';
import type { HandlerResult } from '../../handler.ts';
import { createGroupRunner } from '../group-runner.ts';
import { createLeaseStore } from '../lease-store.ts';
import type { RunnerSettings } from '../settings.ts';
import { createSolitude } from '../solitude.ts';
import { createTestPublisher, type TestEvent } from './bus.ts';
import { createTestMover } from './test-mover.ts';

/** What handlers leave behind, in the order in which it was committed. */
export interface Effect {
  readonly number: Generated<number>;
  readonly consumer_group: string;
  readonly event_id: string;
  readonly aggregate_id: string;
  readonly type: string;
  readonly runner: string;
  readonly attempt: number;
}

/** One call of a handler. */
export interface Call {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly type: string;
  readonly attempt: number;
  /** Which runner called it. */
  readonly runner: string;
  readonly signal: AbortSignal;
}

/** What a handler does after it has left its effect, which is undone if it fails. */
export type Behaviour = (call: Call) => HandlerResult | Promise<HandlerResult>;

/** The event types of the tests: one that all runners know, and one that came later. */
export const types = { renamed: userRenamed.type, deleted: userDeleted.type };
const definitions: Readonly<Record<string, AnyEventDefinition>> = {
  [types.renamed]: userRenamed,
  [types.deleted]: userDeleted,
};

const stream = 'events:user';
const quick: Partial<RunnerSettings> = {
  blockMs: 20,
  reclaimEveryMs: 50,
  claimIdleMs: 60_000,
  leaseTtlMs: 1_500,
  stopPatienceMs: 30_000,
  controlEveryMs: 50,
  circuitPauseMs: 50,
  circuitMaxPauseMs: 200,
};

/** A Redis and a database of one's own, and runners with real dispatchers on them, in this process. */
export async function createGroupBench(postgresUrl: string) {
  const redis: RedisServer = await startRedis();
  const database = await createTestDatabase(postgresUrl);
  await database.pool.query(`create table effects (
    number bigint generated always as identity, consumer_group text not null, event_id uuid not null,
    aggregate_id text not null, type text not null, runner text not null, attempt integer not null)`);
  const transport = createRedisTransport({ url: redis.url });
  const observer = transport.observer();
  const publisher = createTestPublisher(transport, stream, 'user');
  const started: { stop(): Promise<void> }[] = [];

  /** A consumer of which every call is noted. `events` are the types it handles. */
  function consumer(
    options: Partial<ConsumerOptions> & { readonly events?: readonly string[] } = {},
    behaviour: Behaviour = () => undefined,
  ) {
    const { events = [types.renamed], ...rest } = options;
    const group = options.group ?? uniquePrefix();
    const calls: Call[] = [];
    const { defineConsumer, on } = consumersFor<{ effects: Effect }>();
    const define = (runner: string): ConsumerDefinition =>
      defineConsumer({
        ...rest,
        group,
        handlers: events.map((type) =>
          on(definitions[type] ?? userRenamed, async (event, { trx, attempt, signal }) => {
            const { id: eventId, aggregateId } = event;
            const call = { eventId, aggregateId, type: event.type, attempt, runner, signal };
            calls.push(call);
            await trx
              .insertInto('effects')
              .values({
                consumer_group: group,
                event_id: eventId,
                aggregate_id: aggregateId,
                type: event.type,
                runner,
                attempt,
              })
              .execute();
            return behaviour(call);
          }),
        ),
      });
    return { group, calls, define };
  }

  function start(
    { group, define }: Pick<ReturnType<typeof consumer>, 'group' | 'define'>,
    options: Partial<RunnerSettings> & { readonly name?: string; readonly transport?: EventTransport } = {},
  ) {
    const { name = 'first', transport: given, ...settings } = options;
    const definition = define(name);
    const pool = createPool({
      url: database.url,
      applicationName: `runner ${name}`,
      max: definition.concurrency,
      pipeline: true,
      onError: () => 'the statements that fail say so themselves',
    });
    const logs: Record<string, unknown>[] = [];
    const logger = createLogger({
      service: 'test',
      level: 'info',
      destination: { write: (line) => logs.push(JSON.parse(line) as Record<string, unknown>) },
    });
    const own = given ?? createRedisTransport({ url: redis.url, commandTimeoutMs: 30_000 });
    const runner = createGroupRunner({
      group: definition,
      dispatcher: createDispatcher({ consumer: definition, catalog: platformCatalog, pool, logger }),
      transport: own,
      registry: database.db,
      inbox: database.db,
      solitude: createSolitude(),
      ...(definition.ordering === 'aggregate' ? { leases: createLeaseStore(database.db, group) } : {}),
      logger,
      settings: { ...quick, ...settings },
    });
    const drain = new AbortController();
    const abort = new AbortController();
    const finished = runner.run({ drain: drain.signal, abort: abort.signal });
    let closed: Promise<void> | undefined;
    const close = async () => {
      await finished;
      await Promise.all([own.close(), pool.end()]);
    };
    const handle = {
      name,
      runner,
      logs,
      drain: () => drain.abort(),
      finished,
      logged: (message: string) => logs.some(({ msg }) => String(msg).includes(message)),
      isLive: () => runner.status().streams.every(({ state }) => state === 'live'),
      stop() {
        drain.abort();
        abort.abort();
        closed ??= close();
        return closed;
      },
    };
    started.push(handle);
    return handle;
  }

  const pendingOf = async (group: string, injected = false): Promise<PendingEntry[]> =>
    observer.pending({ stream, group, ...(injected ? { injected } : {}) }, null, 10_000);

  return {
    redis,
    database,
    transport,
    observer,
    stream,
    publisher,
    consumer,
    start,
    mover: createTestMover({ db: database.db, transport, stream }),
    /** One renamed event per aggregate named. */
    publish: (...aggregateIds: readonly string[]) =>
      publisher.publishEvents(
        ...aggregateIds.map((aggregateId) => ({
          aggregateId,
          type: types.renamed,
          payload: '{"name":"Ada"}',
        })),
      ),
    async effects(group: string) {
      const { rows } = await database.pool.query<Omit<Effect, 'number' | 'consumer_group'>>(
        'select event_id, aggregate_id, type, runner, attempt from effects where consumer_group = $1 order by number',
        [group],
      );
      return rows;
    },
    pendingOf,
    /** What is recorded of an entry that is still pending. */
    async failureOf(group: string, event: TestEvent, injected = false): Promise<FailureRecord | null> {
      const entries = await pendingOf(group, injected);
      return entries.find(({ fields }) => fields?.event_id === event.eventId)?.failure ?? null;
    },
    inbox: (group: string) =>
      database.db
        .selectFrom('inbox_events')
        .select(['event_id', 'outcome', 'attempt'])
        .where('consumer_group', '=', group)
        .execute(),
    letters: (group: string) =>
      database.db
        .selectFrom('dead_letters')
        .selectAll()
        .where('consumer_group', '=', group)
        .orderBy('position')
        .execute(),
    runners: (group: string) =>
      database.db.selectFrom('group_runners').selectAll().where('consumer_group', '=', group).execute(),
    pause: (group: string) => pauseGroup(database.db, group, { operator: 'alice', reason: 'a test' }),
    resume: (group: string) => resumeGroup(database.db, group, { operator: 'alice', reason: null }),
    /** Everything in the stream, and all that is injected, was handed out and acknowledged. */
    async nothingPending(group: string): Promise<void> {
      await eventually(
        async () => {
          const [groups, injected, { lastId }] = await Promise.all([
            observer.groups(stream),
            observer.injected(stream, group),
            observer.stream(stream),
          ]);
          const own = groups.find((one) => one.group === group);
          const isDone = own?.pending === 0 && own.lastDeliveredId === (lastId ?? '0-0');
          return isDone && (injected === null || injected.pending === 0) && (await isEmpty(group));
        },
        { message: 'nothing to be pending' },
      );
    },
    async close(): Promise<void> {
      await Promise.all(started.map((one) => one.stop()));
      await transport.close();
      await database.close();
      await redis.stop();
    },
  };

  async function isEmpty(group: string): Promise<boolean> {
    return (await observer.stream(`{${stream}}:inject:${group}`)).length === 0;
  }
}

/** What {@link createGroupBench} returns. */
export type GroupBench = Awaited<ReturnType<typeof createGroupBench>>;
