import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { eventually } from '@event-bus/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { createGroupRunner } from './group-runner.ts';
import { createLeaseStore } from './lease-store.ts';
import { createSolitude } from './solitude.ts';
import { busKinds, createTestPublisher, startBus, type TestBus, uniqueTopic } from './testing/bus.ts';
import {
  createScriptedDispatcher,
  done,
  duplicate,
  type LookUp,
  type Script,
} from './testing/scripted-dispatcher.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});
afterAll(() => database.close());

const idsOf = (events: readonly { readonly eventId: string }[]) => events.map(({ eventId }) => eventId);
const names = (count: number) => Array.from({ length: count }, (_, n) => `a${n % 7}`);

describe.each(
  busKinds.flatMap((kind) => (['none', 'aggregate'] as const).map((ordering) => [kind, ordering] as const)),
)('a group runner on %s that reads again what it has handled (ordering: %s)', (kind, ordering) => {
  let bus: TestBus;
  let stop: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    bus = await startBus(kind);
  });
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });
  afterAll(() => bus.stop());

  function setUp() {
    const { topic, stream } = uniqueTopic();
    const transport = bus.transport();
    const observer = transport.observer();
    return {
      publisher: createTestPublisher(transport, stream, topic),
      nothingPending: () =>
        eventually(async () => {
          const [[group], { lastId }] = await Promise.all([observer.groups(stream), observer.stream(stream)]);
          return group?.pending === 0 && group.lastDeliveredId === lastId;
        }),
      start: (script: Script, lookUp: LookUp) => {
        const scripted = createScriptedDispatcher(script, lookUp);
        const runner = createGroupRunner({
          group: {
            group: topic,
            topics: [{ name: topic, partitions: 1 }],
            ordering,
            startFrom: 'beginning',
            transaction: 'event',
            events: [],
            onDeadLetter: 'continue',
            maxDeliveries: 3,
            circuitThreshold: 0,
            concurrency: 4,
            batchSize: 1,
            policy: {},
          },
          dispatcher: scripted.dispatcher,
          transport,
          registry: database.db,
          inbox: database.db,
          solitude: createSolitude(),
          ...(ordering === 'aggregate' ? { leases: createLeaseStore(database.db, topic) } : {}),
          logger: createLogger({ service: 'test', level: 'silent' }),
          settings: { blockMs: 20, readCount: 20, readAhead: 20 },
        });
        const drain = new AbortController();
        const ended = runner.run({ drain: drain.signal, abort: drain.signal });
        stop = async () => {
          drain.abort();
          await ended;
          await transport.close();
        };
        return scripted;
      },
    };
  }

  it('looks it up page by page, acknowledges it without handling it, and handles the rest in order', async () => {
    const { publisher, nothingPending, start } = setUp();
    const known = new Set(idsOf(await publisher.publish(...names(400))));
    const fresh = await publisher.publish(...names(100));
    const pages: (readonly string[])[] = [];
    const runner = start(
      ({ eventId }) => (known.has(eventId) ? duplicate : done),
      (asked) => {
        pages.push(asked);
        return asked.filter((id) => known.has(id));
      },
    );
    await nothingPending();

    const handled = runner.ended.filter(({ eventId }) => !known.has(eventId));
    expect(new Set(idsOf(handled))).toEqual(new Set(idsOf(fresh)));
    if (ordering === 'aggregate') {
      const byAggregate = Map.groupBy(handled, ({ aggregateId }) => aggregateId);
      for (const [aggregateId, own] of Map.groupBy(fresh, (event) => event.aggregateId)) {
        expect(idsOf(byAggregate.get(aggregateId) ?? [])).toEqual(idsOf(own));
      }
    }
    // Nothing but what had been read when the first turned out to be known.
    expect(runner.begun.filter(({ eventId }) => known.has(eventId)).length).toBeLessThan(100);
    // A page without any is the last to be looked up.
    const isFresh = (page: readonly string[]) => page.every((id) => !known.has(id));
    expect(pages.filter(isFresh).length).toBeLessThan(2);
    expect(pages.length).toBeGreaterThan(10);
  });

  it('handles it one by one when it cannot be looked up', async () => {
    const { publisher, nothingPending, start } = setUp();
    const events = await publisher.publish(...names(80));
    const runner = start(
      () => duplicate,
      () => {
        throw new Error('no answer');
      },
    );
    await nothingPending();

    expect(new Set(runner.settled())).toEqual(new Set(idsOf(events)));
  });

  it('looks nothing up while it handles what is new', async () => {
    const { publisher, nothingPending, start } = setUp();
    await publisher.publish(...names(100));
    let lookUps = 0;
    start(
      () => done,
      () => {
        lookUps += 1;
        return [];
      },
    );
    await nothingPending();

    expect(lookUps).toBe(0);
  });
});
