import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import {
  eventually,
  type Proxy as NetworkProxy,
  type RedisServer,
  startProxy,
  startRedis,
} from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createGroupRunner } from './group-runner.ts';
import { createLeaseStore } from './lease-store.ts';
import type { RunnerSettings } from './settings.ts';
import { createSolitude } from './solitude.ts';
import { createTestPublisher, uniqueTopic } from './testing/bus.ts';
import { createGate, createScriptedDispatcher, type Script } from './testing/scripted-dispatcher.ts';

const settings: Partial<RunnerSettings> = {
  blockMs: 500,
  reclaimEveryMs: 100,
  claimIdleMs: 2_000,
  leaseTtlMs: 3_000,
  stopPatienceMs: 2_000,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});
afterAll(() => database.close());

describe('a group runner whose Redis fails', () => {
  let redis: RedisServer;
  let proxy: NetworkProxy;
  let stopRunner: (() => Promise<void>) | undefined;
  beforeEach(async () => {
    redis = await startRedis();
    proxy = await startProxy(redis.port);
  });
  afterEach(async () => {
    redis.thaw();
    await stopRunner?.();
    stopRunner = undefined;
    await proxy.close();
    await redis.stop();
  });

  function setUp(script?: Script) {
    const { topic, stream } = uniqueTopic();
    const scripted = createScriptedDispatcher(script);
    const logged: string[] = [];
    const transport = createRedisTransport({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 500 });
    const runner = createGroupRunner({
      group: {
        group: topic,
        topics: [{ name: topic, partitions: 1 }],
        ordering: 'aggregate',
        startFrom: 'beginning',
        transaction: 'event',
        concurrency: 4,
        batchSize: 1,
        events: [],
        onDeadLetter: 'continue',
        maxDeliveries: 5,
        circuitThreshold: 0,
        policy: {},
      },
      dispatcher: scripted.dispatcher,
      transport,
      registry: database.db,
      inbox: database.db,
      solitude: createSolitude(),
      leases: createLeaseStore(database.db, topic),
      logger: createLogger({
        service: 'test',
        level: 'info',
        destination: { write: (line) => logged.push(line) },
      }),
      settings,
    });
    const drain = new AbortController();
    const abort = new AbortController();
    const finished = runner.run({ drain: drain.signal, abort: abort.signal });
    const direct = createRedisTransport({ url: redis.url });
    stopRunner = async () => {
      drain.abort();
      abort.abort();
      await finished;
      await Promise.all([transport.close(), direct.close()]);
    };
    return {
      ...scripted,
      runner,
      stream,
      logged,
      publisher: createTestPublisher(direct, stream, topic),
      observer: direct.observer(),
      stop: () => {
        drain.abort();
        abort.abort();
        return finished;
      },
    };
  }

  const idsOf = (events: readonly { readonly eventId: string }[]) => events.map(({ eventId }) => eventId);

  it('keeps the order when entries were handed out in a reply that never arrived', async () => {
    const { publisher, settled } = setUp();
    const first = await publisher.publish('a');
    await eventually(() => settled().length === 1);

    const swallowed = proxy.swallowReply((request) => /xreadgroup/i.test(request));
    // Ends the read that is under way; the reply to the next one is lost, and with it what it hands out.
    const second = await publisher.publish('a');
    await eventually(() => settled().length === 2);
    const lost = await publisher.publish('a', 'a');
    await swallowed;
    const last = await publisher.publish('a', 'a');

    await eventually(() => settled().length >= 6);
    expect(settled()).toEqual(idsOf([...first, ...second, ...lost, ...last]));
  });

  it('goes on when a frozen server thaws, logging the outage once per activity and not in a flood', async () => {
    const { publisher, settled, logged } = setUp();
    const before = await publisher.publish('a', 'b');
    await eventually(() => settled().length === 2);

    redis.freeze();
    await eventually(() => logged.some((line) => line.includes('reading new entries fails')));
    const since = Date.now();
    await eventually(() => Date.now() - since > 2_000);
    redis.thaw();
    const after = await publisher.publish('a', 'b');
    await eventually(() => settled().length >= 4);

    expect(new Set(settled())).toEqual(new Set(idsOf([...before, ...after])));
    await eventually(() => logged.some((line) => line.includes('reading new entries succeeds again')));
    // A machine that is slow for a moment makes an outage of its own: each has a beginning, and an end before the next.
    const told = logged.flatMap((line) => {
      const [, activity, what] = /"msg":"([^"]*) (fails|succeeds again)\b/.exec(line) ?? [];
      return activity === undefined ? [] : [{ activity, what }];
    });
    for (const own of Map.groupBy(told, ({ activity }) => activity).values())
      expect(own.map(({ what }) => what)).toEqual(
        own.map((_, n) => (n % 2 === 0 ? 'fails' : 'succeeds again')),
      );
    expect(logged.length - told.length).toBeLessThan(8);
  });

  it('stops in bounded time while the server is frozen, and says what it left', async () => {
    const gate = createGate();
    const { publisher, begun, logged, stop } = setUp((_, signal) => gate.pass(signal));
    await publisher.publish('a', 'b', 'a');
    await eventually(() => begun.length === 2);
    redis.freeze();

    await stop();

    expect(logged.some((line) => line.includes('stopped without being able to hand back entries'))).toBe(
      true,
    );
  });

  it('goes on with all that was pending when the server was restarted', async () => {
    const gate = createGate();
    const { publisher, settled, begun, observer, stream } = setUp((_, signal) => gate.pass(signal));
    const events = await publisher.publish('a', 'b', 'a', 'b');
    await eventually(() => begun.length === 2);

    await redis.restart();
    gate.open();
    const more = await publisher.publish('a', 'b');
    await eventually(
      async () => new Set(settled()).size === 6 && (await observer.groups(stream))[0]?.pending === 0,
    );

    for (const id of ['a', 'b']) {
      const firstTimes = [...new Set(settled())];
      const own = idsOf([...events, ...more].filter(({ aggregateId }) => aggregateId === id));
      expect(firstTimes.filter((eventId) => own.includes(eventId))).toEqual(own);
    }
  });
});
