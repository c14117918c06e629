import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { eventually } from '@event-bus/testkit';
import type { EventTransport, GroupStatus } from '@event-bus/transport';
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';
import type { RunnerGroup } from '../group.ts';
import { createGroupRunner, type GroupRunner } from '../group-runner.ts';
import { createLeaseStore } from '../lease-store.ts';
import type { RunnerSettings } from '../settings.ts';
import { createSolitude } from '../solitude.ts';
import { type busKinds, createTestPublisher, startBus, type TestBus, uniqueTopic } from './bus.ts';
import { createScriptedDispatcher, type Script } from './scripted-dispatcher.ts';

const quick: Partial<RunnerSettings> = {
  blockMs: 20,
  reclaimEveryMs: 50,
  claimIdleMs: 60_000,
  leaseTtlMs: 1_500,
  // What is handed back must be, however slow the machine is.
  stopPatienceMs: 30_000,
};

/** Runners in this process whose dispatchers do what a script says. */
export function createScriptedRunners(bus: TestBus, database: TestDatabase) {
  const started: { stop(): Promise<void> }[] = [];

  /** A group on a stream of its own. */
  function setUp(overrides: Partial<RunnerGroup> = {}, besides: RunnerGroup['topics'] = []) {
    const { topic, stream } = uniqueTopic();
    const group: RunnerGroup = {
      group: topic,
      topics: [{ name: topic, partitions: 1 }, ...besides],
      ordering: 'none',
      startFrom: 'beginning',
      transaction: 'event',
      concurrency: 4,
      batchSize: 10,
      events: [],
      onDeadLetter: 'continue',
      maxDeliveries: 5,
      circuitThreshold: 0,
      policy: {},
      ...overrides,
    };
    const transport = bus.transport();
    const observer = transport.observer();
    started.push({ stop: () => transport.close() });
    const look = async (): Promise<GroupStatus> => {
      const found = (await observer.groups(stream)).find((one) => one.group === group.group);
      if (found === undefined) throw new Error('the group does not exist');
      return found;
    };
    return {
      group,
      stream,
      observer,
      publisher: createTestPublisher(transport, stream, topic),
      look,
      /** What a consumer of the group holds. */
      pendingOf: async (consumer: string) => {
        const pending = await observer.pending({ stream, group: group.group }, null, 1_000);
        return pending.filter((entry) => entry.consumer === consumer);
      },
      /** Everything in the stream was handed out and acknowledged. */
      nothingPending: () =>
        eventually(
          async () => {
            const [{ pending, lastDeliveredId }, { lastId }] = await Promise.all([
              look(),
              observer.stream(stream),
            ]);
            return pending === 0 && lastDeliveredId === lastId;
          },
          { message: 'nothing to be pending' },
        ),
      start: (
        script?: Script,
        settings: Partial<RunnerSettings> = {},
        transport: EventTransport = bus.transport(),
      ) => start(group, script, settings, transport),
    };
  }

  function start(
    group: RunnerGroup,
    script: Script | undefined,
    settings: Partial<RunnerSettings>,
    transport: EventTransport,
  ) {
    const scripted = createScriptedDispatcher(script);
    const runner: GroupRunner = createGroupRunner({
      group,
      dispatcher: scripted.dispatcher,
      transport,
      registry: database.db,
      inbox: database.db,
      solitude: createSolitude(),
      ...(group.ordering === 'aggregate' ? { leases: createLeaseStore(database.db, group.group) } : {}),
      logger: createLogger({ service: 'test', level: 'silent' }),
      settings: { ...quick, ...settings },
    });
    const drain = new AbortController();
    const abort = new AbortController();
    const finished = runner.run({ drain: drain.signal, abort: abort.signal });
    const stopped = () => finished.then(() => transport.close());
    const handle = {
      ...scripted,
      runner,
      drain: () => drain.abort(),
      abort: () => abort.abort(),
      finished,
      stop: async () => {
        drain.abort();
        abort.abort();
        await stopped();
      },
    };
    started.push(handle);
    return handle;
  }

  return {
    setUp,
    stop: () => Promise.all(started.splice(0).map((runner) => runner.stop())),
  };
}

/** The same for all tests of a `describe`, on a broker and a database of their own; each leaves no runner behind. */
export function useScriptedRunners(kind: (typeof busKinds)[number]) {
  let bus: TestBus;
  let database: TestDatabase;
  let runners: ReturnType<typeof createScriptedRunners>;
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgresUrl'));
    bus = await startBus(kind);
  });
  beforeEach(() => {
    runners = createScriptedRunners(bus, database);
  });
  afterEach(() => runners.stop());
  afterAll(async () => {
    await bus.stop();
    await database.close();
  });
  return {
    bus: () => bus,
    database: () => database,
    setUp: (overrides?: Partial<RunnerGroup>) => runners.setUp(overrides),
  };
}
