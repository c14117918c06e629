import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { createLogger } from '@event-bus/telemetry';
import { eventually } from '@event-bus/testkit';
import type { GroupStatus } from '@event-bus/transport';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RunnerGroup } from './group.ts';
import { createGroupRunner, type GroupRunner } from './group-runner.ts';
import { createLeaseStore } from './lease-store.ts';
import type { RunnerSettings } from './settings.ts';
import { createSolitude } from './solitude.ts';
import { busKinds, createTestPublisher, startBus, type TestBus, uniqueTopic } from './testing/bus.ts';
import {
  createGate,
  createScriptedDispatcher,
  done,
  failed,
  type Script,
} from './testing/scripted-dispatcher.ts';

const quick: Partial<RunnerSettings> = {
  blockMs: 20,
  reclaimEveryMs: 50,
  claimIdleMs: 60_000,
  leaseTtlMs: 1_500,
  // What is handed back must be, however slow the machine is.
  stopPatienceMs: 30_000,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});
afterAll(() => database.close());

describe.each(busKinds)('a group runner on %s', (kind) => {
  let bus: TestBus;
  const started: { stop(): Promise<void> }[] = [];
  beforeAll(async () => {
    bus = await startBus(kind);
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((runner) => runner.stop()));
  });
  afterAll(() => bus.stop());

  function setUp(overrides: Partial<RunnerGroup> = {}) {
    const { topic, stream } = uniqueTopic();
    const group: RunnerGroup = {
      group: topic,
      topics: [{ name: topic, partitions: 1 }],
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
      start: (script?: Script, settings: Partial<RunnerSettings> = {}) => start(group, script, settings),
    };
  }

  function start(group: RunnerGroup, script: Script | undefined, settings: Partial<RunnerSettings>) {
    const scripted = createScriptedDispatcher(script);
    const transport = bus.transport();
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

  it('retries a failed event after its backoff, while others are handled', async () => {
    const { publisher, nothingPending, start } = setUp();
    const [poison, ...others] = await publisher.publish('a', 'b', 'c', 'd', 'e', 'f');
    const tries: { attempt: number; at: number }[] = [];
    const runner = start(({ eventId, attempt }) => {
      if (eventId !== poison?.eventId) return done;
      tries.push({ attempt, at: performance.now() });
      return attempt < 3 ? failed(200) : done;
    });

    await nothingPending();

    expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    for (const [before, after] of [tries.slice(0, 2), tries.slice(1)]) {
      expect((after?.at ?? 0) - (before?.at ?? 0)).toBeGreaterThanOrEqual(200);
    }
    expect(runner.settled().slice(0, 5).sort()).toEqual(others.map(({ eventId }) => eventId).sort());
    expect(runner.settled().at(-1)).toBe(poison?.eventId);
  });

  it('keeps to the backoff and counts on where another runner stopped', async () => {
    const { publisher, nothingPending, look, start } = setUp();
    await publisher.publish('a');
    let failedAt = 0;
    const first = start(() => {
      failedAt = Date.now();
      return failed(700);
    });
    await eventually(() => first.ended.length === 1);
    first.drain();
    await first.finished;
    expect((await look()).pending).toBe(1);

    const second = start();
    await nothingPending();

    expect(second.begun.map(({ attempt }) => attempt)).toEqual([2]);
    expect(Date.now() - failedAt).toBeGreaterThanOrEqual(600);
  });

  it('leaves what was given up pending, under nobody, and never tries it again', async () => {
    const { publisher, look, start } = setUp();
    const [poison] = await publisher.publish('a', 'b');
    const giveUp: Script = ({ eventId }) =>
      eventId === poison?.eventId
        ? { kind: 'given-up', why: 'attempts', reason: 'malformed', error: new Error('no such type') }
        : done;
    const first = start(giveUp);
    await eventually(async () => (await look()).failed === 1 && (await look()).pending === 1);
    first.drain();
    await first.finished;

    expect((await look()).consumers.map(({ name }) => name)).not.toContain(first.runner.status().consumer);

    const second = start(giveUp);
    await publisher.publish('c', 'd');
    await eventually(async () => second.settled().length === 2 && (await look()).pending === 1);

    expect(second.begun.map(({ eventId }) => eventId)).not.toContain(poison?.eventId);
  });

  it('finishes what runs when drained, and hands back the rest without burning a delivery or an attempt', async () => {
    const { publisher, look, nothingPending, start } = setUp({ concurrency: 2 });
    await publisher.publish(...Array.from({ length: 20 }, (_, n) => `a${n}`));
    const gate = createGate();
    const first = start((_, signal) => gate.pass(signal));
    await eventually(() => first.runner.status().running === 2 && first.runner.status().waiting > 5);

    first.drain();
    gate.open();
    await first.finished;

    expect(first.settled()).toHaveLength(2);
    const { consumers, pending } = await look();
    expect(consumers.map(({ name }) => name)).not.toContain(first.runner.status().consumer);
    expect(pending).toBeGreaterThan(5);
    const second = start();
    await nothingPending();
    expect(second.begun.every(({ attempt, deliveries }) => attempt === 1 && deliveries === 1)).toBe(true);
    expect(new Set([...first.settled(), ...second.settled()]).size).toBe(20);
    expect(second.settled()).toHaveLength(18);
  });

  it('aborts what runs when told to, hands that back too, and leaves no name behind', async () => {
    const { publisher, look, nothingPending, start } = setUp();
    await publisher.publish('a', 'b', 'c');
    const first = start((_, signal) => createGate().pass(signal));
    await eventually(() => first.begun.length === 3);

    first.drain();
    first.abort();
    await first.finished;

    expect(
      (await look()).consumers.every(
        ({ pending, name }) => pending === 3 && name !== first.runner.status().consumer,
      ),
    ).toBe(true);
    const second = start();
    await nothingPending();
    expect(second.begun.map(({ attempt, deliveries }) => ({ attempt, deliveries }))).toEqual(
      Array.from({ length: 3 }, () => ({ attempt: 1, deliveries: 1 })),
    );
  });

  it('keeps claimed what runs and what waits, however long it takes', async () => {
    const { publisher, nothingPending, pendingOf, start } = setUp({ concurrency: 1 });
    await publisher.publish('a', 'b', 'c', 'd');
    const gate = createGate();
    // Renewed after a third of it: the rest is what the machine may take over it before the rival takes over.
    const impatient = { claimIdleMs: 15_000 };
    const holder = start((_, signal) => gate.pass(signal), { ...impatient, capacity: 4 });
    await eventually(() => holder.runner.status().waiting === 3);
    const heldSince = performance.now();
    const rival = start(undefined, impatient);
    const [marker] = await publisher.publish('e');
    await eventually(() => rival.settled().includes(marker?.eventId ?? ''));
    await eventually(async () => {
      // What is said of an entry's idle time may be a second too little.
      const heldForMs = performance.now() - heldSince - 1_000;
      const held = await pendingOf(holder.runner.status().consumer);
      return held.length === 4 && held.every(({ idleMs }) => idleMs < heldForMs);
    });

    gate.open();
    await nothingPending();

    expect(rival.settled()).toEqual([marker?.eventId]);
    expect(holder.begun).toHaveLength(4);
  });

  it('holds no more than its capacity, and reads no more than it can start soon', async () => {
    const { publisher, start, look } = setUp({ concurrency: 2 });
    await publisher.publish(...Array.from({ length: 60 }, (_, n) => `a${n}`));
    const gate = createGate();
    const runner = start((_, signal) => gate.pass(signal), { capacity: 12, readAhead: 50 });
    await eventually(() => runner.runner.status().running === 2 && runner.runner.status().waiting === 10);

    expect((await look()).pending).toBe(12);

    gate.open();
    await eventually(() => runner.settled().length === 60);
    expect(runner.mostRunning()).toBe(2);
  });

  it('skips what stood in the streams when its group began now, also in a stream that is built anew', async () => {
    const { publisher, stream, nothingPending, start } = setUp({ startFrom: 'now' });
    const old = await publisher.publish('a', 'b');
    const runner = start();
    await nothingPending();
    const fresh = await publisher.publish('a', 'b');
    await eventually(() => runner.settled().length === 2);

    await bus.deleteStream(stream);
    await publisher.publishAgainAfterStreamLoss([...old, ...fresh]);
    await eventually(() => runner.settled().length === 4);

    expect(runner.settled()).toEqual([...fresh, ...fresh].map(({ eventId }) => eventId));
  });

  it('handles what stood in no stream when its group began now, whatever its position, and nothing else after a rebuild', async () => {
    const { publisher, stream, nothingPending, start } = setUp({ startFrom: 'now' });
    const old = await publisher.publish('a', 'b');
    const late = publisher.draw('c', 'd');
    old.push(...(await publisher.publish('e')));
    const [later] = publisher.draw('f');
    old.push(...(await publisher.publish('a')));
    const first = start();
    await nothingPending();
    await publisher.write(late);
    await eventually(() => first.settled().length === 2);
    await first.stop();

    await bus.deleteStream(stream);
    if (later === undefined) throw new Error('nothing was drawn');
    await publisher.publishAgainAfterStreamLoss([...old, ...late]);
    await publisher.write([later]);
    const second = start();
    await nothingPending();

    expect(new Set(first.settled())).toEqual(new Set(late.map(({ eventId }) => eventId)));
    expect(new Set(second.settled())).toEqual(new Set([...late, later].map(({ eventId }) => eventId)));
  });

  it.each(['its group is deleted', 'its stream is deleted', 'all is flushed'])(
    'goes on from the beginning when %s',
    async (fault) => {
      const { group, publisher, stream, start } = setUp();
      const before = await publisher.publish('a', 'b');
      const runner = start();
      await eventually(() => runner.settled().length === 2);

      if (fault.includes('group')) await bus.deleteGroup({ stream, group: group.group });
      else if (fault.includes('stream')) await bus.deleteStream(stream);
      else await bus.flushAll();
      if (fault.includes('stream')) await publisher.publishAgainAfterStreamLoss(before);
      else if (fault.includes('flushed')) await publisher.publishAgain(before);
      const after = await publisher.publish('c');

      await eventually(() => runner.settled().includes(after[0]?.eventId ?? ''));
      expect(new Set(runner.settled())).toEqual(new Set([...before, ...after].map(({ eventId }) => eventId)));
    },
  );

  it('starts nothing while the database is away, counts nothing, and goes on in order when it is back', async () => {
    const { publisher, nothingPending, start } = setUp({ ordering: 'aggregate' });
    let away = true;
    let tries = 0;
    const events = await publisher.publish('a', 'a', 'a');
    const runner = start(() => {
      if (!away) return done;
      tries += 1;
      return { kind: 'interrupted', cause: 'database', error: new Error('the database is away') };
    });
    await eventually(() => tries >= 3);
    away = false;
    await nothingPending();

    expect(runner.settled()).toEqual(events.map(({ eventId }) => eventId));
    expect(runner.begun.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  describe('of an ordered group', () => {
    const ordered = { ordering: 'aggregate' } as const;

    it('handles each aggregate in order across retries, and others meanwhile', async () => {
      const { publisher, nothingPending, start } = setUp(ordered);
      const events = await publisher.publish('a', 'b', 'a', 'b', 'a', 'b');
      // The first of them longest, so that the others could overtake it.
      const failures = new Map([
        [events[0]?.eventId, 3],
        [events[2]?.eventId, 1],
      ]);
      const runner = start(({ eventId, attempt }) =>
        attempt <= (failures.get(eventId) ?? 0) ? failed(100) : done,
      );

      await nothingPending();

      const settledOf = (id: string) =>
        runner.ended
          .filter((one) => one.aggregateId === id && one.kind === 'settled')
          .map(({ eventId }) => eventId);
      const publishedOf = (id: string) =>
        events.filter((one) => one.aggregateId === id).map(({ eventId }) => eventId);
      for (const id of ['a', 'b']) expect(settledOf(id)).toEqual(publishedOf(id));
      expect(runner.settled().slice(0, 3)).toEqual(publishedOf('b'));
    });

    it('stands by while another handles the stream, and takes over in order when that one stops', async () => {
      const { publisher, nothingPending, start } = setUp(ordered);
      const gate = createGate();
      const first = start((_, signal) => gate.pass(signal), { leaseTtlMs: 60_000 });
      await eventually(() => first.runner.status().streams[0]?.state === 'live');
      const second = start();
      const events = await publisher.publish('a', 'a', 'a', 'b');
      await eventually(() => first.begun.length === 2);
      expect(second.begun).toEqual([]);

      first.drain();
      first.abort();
      await first.finished;
      await nothingPending();

      const settledOfA = second.ended
        .filter(({ aggregateId }) => aggregateId === 'a')
        .map(({ eventId }) => eventId);
      expect(settledOfA).toEqual(events.slice(0, 3).map(({ eventId }) => eventId));
      expect(Number(second.begun[0]?.lease)).toBeGreaterThan(Number(first.begun[0]?.lease));
    });

    it('takes up what a lost holder left pending before anything newer, whatever its idle time', async () => {
      const { group, publisher, stream, nothingPending, start, observer } = setUp(ordered);
      const events = await publisher.publish('a', 'a', 'b');
      const lost = bus.transport();
      const reader = lost.reader();
      await reader.ensureGroup({ stream, group: group.group }, '0');
      await reader.read({ group: group.group, consumer: 'lost', from: [{ stream }], count: 2, blockMs: 10 });
      await lost.close();

      const runner = start();
      await nothingPending();

      expect(runner.settled().filter((id) => id !== events[2]?.eventId)).toEqual(
        events.slice(0, 2).map(({ eventId }) => eventId),
      );
      expect((await observer.groups(stream))[0]?.lag ?? 0).toBe(0);
    });

    it('stops handling a stream when it is fenced, and takes it up anew', async () => {
      const { publisher, nothingPending, start } = setUp(ordered);
      let fenced = false;
      const events = await publisher.publish('a', 'a');
      const runner = start(() => {
        if (fenced) return done;
        fenced = true;
        return { kind: 'interrupted', cause: 'fenced', error: new Error('the lease has passed on') };
      });

      await nothingPending();

      expect(runner.settled()).toEqual(events.map(({ eventId }) => eventId));
      expect(Number(runner.begun.at(-1)?.lease)).toBeGreaterThan(Number(runner.begun[0]?.lease));
    });

    it('handles several of one aggregate in one transaction, in order', async () => {
      const { publisher, nothingPending, start } = setUp({
        ...ordered,
        transaction: 'batch',
        concurrency: 2,
      });
      const events = await publisher.publish(...Array.from({ length: 40 }, (_, n) => `a${n % 3}`));
      const runner = start(({ attempt, eventId }) =>
        eventId === events[4]?.eventId && attempt === 1 ? failed(50) : done,
      );

      await nothingPending();

      // The script settles what follows the failed one in its batch, as no dispatcher would.
      const settled = runner.settled();
      expect(new Set(settled)).toEqual(new Set(events.map(({ eventId }) => eventId)));
      expect(settled).toHaveLength(40);
      for (const id of ['a0', 'a2']) {
        const inOrder = events.filter(({ aggregateId }) => aggregateId === id).map(({ eventId }) => eventId);
        expect(settled.filter((eventId) => inOrder.includes(eventId))).toEqual(inOrder);
      }
    });
  });
});
