import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { exponential } from '../retry-policy.ts';
import type { TestEvent } from './testing/bus.ts';
import { createGroupBench, type GroupBench, types } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);
const once = { maxAttempts: 1, backoff: exponential('20ms') };
const idsOf = (events: readonly TestEvent[]) => events.map(({ eventId }) => eventId);

/** A consumer whose events all die, until it is mended. */
function createMendable(options: Parameters<GroupBench['consumer']>[0] = {}) {
  let isBroken = true;
  const consumer = bench.consumer({ retry: once, circuitBreaker: false, ...options }, () => {
    if (isBroken) throw new Error('a fault of the program');
  });
  return {
    consumer,
    mend: () => {
      isBroken = false;
    },
    /** Publishes events, and has the mover give all of them up. */
    kill: async (...aggregateIds: readonly string[]): Promise<TestEvent[]> => {
      const events = await bench.publish(...aggregateIds);
      const { group } = consumer;
      await eventually(async () => {
        await bench.mover.sweep(group);
        const dead = new Set((await bench.letters(group)).map(({ event_id }) => event_id));
        return events.every(({ eventId }) => dead.has(eventId));
      });
      await eventually(async () => (await bench.pendingOf(group)).length === 0);
      return events;
    },
    states: async () => (await bench.letters(consumer.group)).map(({ state }) => state),
  };
}

describe('a redrive', () => {
  it.each(['event', 'batch'] as const)(
    'turns dead into done in the transaction of its handler (transaction %s)',
    async (transaction) => {
      const { consumer, mend, kill, states } = createMendable({ transaction });
      bench.start(consumer);
      const events = await kill(...aggregates(5));
      mend();

      await bench.mover.redrive(consumer.group);
      await bench.nothingPending(consumer.group);

      const effects = await bench.effects(consumer.group);
      expect(effects.map(({ event_id }) => event_id).sort()).toEqual(idsOf(events).sort());
      expect((await bench.inbox(consumer.group)).map(({ outcome }) => outcome)).toEqual(
        events.map(() => 'done'),
      );
      expect(new Set(await states())).toEqual(new Set(['done']));
      expect((await bench.observer.stream(`{${bench.stream}}:inject:${consumer.group}`)).length).toBe(0);
    },
  );

  it('has its effect once, though it is injected three times and the stream brings the event again', async () => {
    const { consumer, mend, kill, states } = createMendable();
    const runner = bench.start(consumer);
    const events = await kill(...aggregates(4));
    mend();
    await runner.stop();

    await bench.mover.redrive(consumer.group);
    await bench.mover.inject(consumer.group, { anew: true });
    await bench.mover.inject(consumer.group, { anew: true });
    await bench.publisher.repeat(events);
    bench.start(consumer, { name: 'second' });
    await bench.nothingPending(consumer.group);
    await bench.publisher.repeat(events);
    await bench.nothingPending(consumer.group);

    const effects = await bench.effects(consumer.group);
    expect(effects.map(({ event_id }) => event_id).sort()).toEqual(idsOf(events).sort());
    expect(new Set(await states())).toEqual(new Set(['done']));
  });

  it('is asked for by its letter: neither a copy in the stream nor an injected one changes what is dead or discarded', async () => {
    const { consumer, mend, kill } = createMendable();
    bench.start(consumer);
    const events = await kill('user-1', 'user-2');
    mend();
    const letters = await bench.letters(consumer.group);
    await bench.database.db
      .updateTable('dead_letters')
      .set({ state: 'discarded' })
      .where('event_id', '=', events[1]?.eventId ?? '')
      .execute();

    await bench.publisher.repeat(events);
    await bench.mover.replay(
      consumer.group,
      '',
      letters.map(({ fields }) => fields),
    );
    await bench.nothingPending(consumer.group);

    expect(await bench.effects(consumer.group)).toEqual([]);
    expect((await bench.inbox(consumer.group)).map(({ outcome }) => outcome)).toEqual(['dead', 'dead']);
    expect((await bench.letters(consumer.group)).map(({ state }) => state)).toEqual(['dead', 'discarded']);
  });

  it('that fails again leaves its record beside the stream, is retried like any other, and dies again with its history', async () => {
    const { consumer, kill } = createMendable({ retry: { maxAttempts: 2, backoff: exponential('100ms') } });
    bench.start(consumer);
    const [event] = await kill('user-1');
    const { group } = consumer;

    await bench.mover.redrive(group);
    await eventually(async () => (await bench.pendingOf(group, true))[0]?.failure?.final === true);

    const [entry] = await bench.pendingOf(group, true);
    expect(entry?.failure).toMatchObject({ eventId: event?.eventId, attempts: 2, kind: 'attempts' });
    expect(entry?.failure?.history).toHaveLength(2);
    expect(await bench.redis.client().hkeys(`{${bench.stream}}:failures:${group}`)).toEqual([
      `inject:${entry?.id}`,
    ]);
    expect(await bench.mover.sweep(group)).toEqual(['dead']);
    const [letter] = await bench.letters(group);
    expect(letter).toMatchObject({ state: 'dead', attempts: 4 });
    expect(letter?.history).toHaveLength(4);
    expect(await bench.pendingOf(group, true)).toEqual([]);
  });

  it('is injected again after Redis forgot it, and done once', async () => {
    const gate = Promise.withResolvers<void>();
    let isBroken = true;
    const consumer = bench.consumer({ retry: once, circuitBreaker: false, concurrency: 2 }, () => {
      if (isBroken) throw new Error('a fault of the program');
      return gate.promise;
    });
    const { group } = consumer;
    bench.start(consumer);
    const events = await bench.publish(...aggregates(10));
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 10;
    });
    isBroken = false;
    consumer.calls.length = 0;
    await bench.mover.redrive(group);
    // Two are in their handlers, the others wait.
    await eventually(() => consumer.calls.length === 2);
    // Whoever injects waits for none of them.
    await bench.mover.inject(group, { anew: true });

    await bench.redis.client().flushall();
    gate.resolve();
    await bench.publisher.publishAgain(events);
    await bench.mover.inject(group);

    await bench.nothingPending(group);
    const effects = await bench.effects(group);
    expect(effects.map(({ event_id }) => event_id).sort()).toEqual(idsOf(events).sort());
    expect(new Set((await bench.letters(group)).map(({ state }) => state))).toEqual(new Set(['done']));
  });

  it('keeps the order of an aggregate in an ordered group, among what is redriven and before what waits in the stream', async () => {
    const { consumer, mend, kill } = createMendable({ ordering: 'aggregate' });
    const first = bench.start(consumer);
    const dead = await kill('user-1', 'user-2', 'user-1', 'user-2', 'user-1');
    await first.stop();
    mend();
    const live = await bench.publish('user-1', 'user-2', 'user-1');
    await bench.mover.redrive(consumer.group);
    await bench.pause(consumer.group);
    const second = bench.start(consumer, { name: 'second', controlEveryMs: 20 });
    await eventually(() => second.logged('the group is paused'));
    await bench.resume(consumer.group);
    await bench.nothingPending(consumer.group);

    const effects = await bench.effects(consumer.group);
    for (const id of ['user-1', 'user-2']) {
      const of = (events: readonly TestEvent[]) =>
        idsOf(events.filter(({ aggregateId }) => aggregateId === id));
      const handled = effects
        .filter(({ aggregate_id }) => aggregate_id === id)
        .map(({ event_id }) => event_id);
      expect(handled.filter((eventId) => of(dead).includes(eventId))).toEqual(of(dead));
      expect(handled.filter((eventId) => of(live).includes(eventId))).toEqual(of(live));
    }
  });
});

describe('what is injected', () => {
  const fieldsOf = (event: TestEvent) => ({
    event_id: event.eventId,
    source: 'test',
    position: String(event.position),
    event_type: event.type,
    event_version: '1',
    aggregate_type: 'user',
    aggregate_id: event.aggregateId,
    tenant_id: 'tenant',
    actor_id: 'actor',
    occurred_at: event.occurredAt,
    payload: event.payload,
    traceparent: '',
    tracestate: '',
    correlation_id: '',
    causation_id: '',
  });
  const invent = (count: number, aggregateOf: (n: number) => string): TestEvent[] =>
    Array.from({ length: count }, (_, n) => ({
      eventId: crypto.randomUUID(),
      aggregateId: aggregateOf(n),
      position: n + 1,
      type: types.renamed,
      payload: '{"name":"Ada"}',
      occurredAt: new Date().toISOString(),
    }));

  it.each([
    { ordering: 'none', transaction: 'event', of: 'many aggregates' },
    { ordering: 'none', transaction: 'batch', of: 'many aggregates' },
    { ordering: 'aggregate', transaction: 'event', of: 'many aggregates' },
    { ordering: 'aggregate', transaction: 'event', of: 'one aggregate' },
  ] as const)(
    'does not keep live events waiting, though there are five thousand of it of $of (ordering $ordering, transaction $transaction)',
    async ({ ordering, transaction, of }) => {
      const consumer = bench.consumer({ ordering, transaction, concurrency: 4 });
      const { group } = consumer;
      const replayed = invent(5_000, (n) => (of === 'one aggregate' ? 'user-0' : `old-${n}`));
      for (let from = 0; from < replayed.length; from += 500) {
        await bench.mover.replay(group, 'replay-1', replayed.slice(from, from + 500).map(fieldsOf));
      }
      bench.start(consumer);
      await eventually(() => consumer.calls.length > 50);

      const live = new Set<string>();
      for (let round = 0; round < 4; round += 1) {
        const begun = consumer.calls.length;
        for (const id of idsOf(await bench.publish(...aggregates(50)))) live.add(id);
        await eventually(
          () => consumer.calls.filter(({ eventId }) => live.has(eventId)).length === live.size,
        );
        // Until the last of them came to its handler, no more of the others did than their share of the lanes lets by:
        // what was held when they were published, and as many again for each time that the live ones were read.
        const last = consumer.calls.findLastIndex(({ eventId }) => live.has(eventId));
        const between = consumer.calls.slice(begun, last).filter(({ eventId }) => !live.has(eventId));
        expect(between.length).toBeLessThan(600);
      }
      // A transaction for each of so many takes its time.
      if (transaction === 'event') return;
      await bench.nothingPending(group);
      expect(new Set((await bench.effects(group)).map(({ event_id }) => event_id)).size).toBe(5_200);
      expect(consumer.calls).toHaveLength(5_200);
    },
  );

  it('does not keep live events waiting while all of it that is held waits to be retried', async () => {
    const poison = new Set<string>();
    const consumer = bench.consumer(
      { retry: { maxAttempts: 3, backoff: exponential('1h', { max: '1h' }) }, circuitBreaker: false },
      ({ eventId }) => {
        if (poison.has(eventId)) throw new Error('malformed');
      },
    );
    const replayed = invent(300, (n) => `old-${n}`);
    for (const id of idsOf(replayed)) poison.add(id);
    const runner = bench.start(consumer, { capacity: 60 });
    await bench.mover.replay(consumer.group, 'replay-1', replayed.map(fieldsOf));
    await eventually(() => consumer.calls.length >= 15 && runner.runner.status().running === 0);

    const live = await bench.publish(...aggregates(200));
    await eventually(async () => (await bench.effects(consumer.group)).length === live.length);
    expect(runner.runner.status().waiting).toBeLessThan(60);
  });

  it('is handed back when its runner stops, and handled by the next with its first attempt', async () => {
    const gate = Promise.withResolvers<void>();
    const consumer = bench.consumer({ concurrency: 2 }, () => gate.promise);
    const replayed = invent(30, (n) => `old-${n}`);
    const first = bench.start(consumer);
    await eventually(first.isLive);
    await bench.mover.replay(consumer.group, 'replay-1', replayed.map(fieldsOf));
    await eventually(() => consumer.calls.length === 2 && first.runner.status().waiting > 5);
    first.drain();
    gate.resolve();
    await first.finished;

    const left = await bench.pendingOf(consumer.group, true);
    expect(left.every(({ consumer: name, deliveries }) => name === '@released' && deliveries === 0)).toBe(
      true,
    );
    const injected = await bench.observer.injected(bench.stream, consumer.group);
    expect(injected?.consumers.map(({ name }) => name)).toEqual(['@released']);
    bench.start(consumer, { name: 'second', claimIdleMs: 3_600_000 });
    await bench.nothingPending(consumer.group);
    expect(consumer.calls).toHaveLength(30);
    expect(consumer.calls.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('of a replay is handled although it was handled before, in an order of its own', async () => {
    const consumer = bench.consumer({ ordering: 'aggregate' });
    bench.start(consumer);
    const events = await bench.publish('user-1', 'user-1', 'user-2', 'user-1');
    await bench.nothingPending(consumer.group);

    await bench.mover.replay(consumer.group, 'replay-1', events.map(fieldsOf));
    await bench.mover.replay(consumer.group, 'replay-1', events.map(fieldsOf));
    await bench.nothingPending(consumer.group);

    const effects = await bench.effects(consumer.group);
    expect(effects).toHaveLength(8);
    const ofFirst = effects
      .filter(({ aggregate_id }) => aggregate_id === 'user-1')
      .map(({ event_id }) => event_id);
    const expected = idsOf(events.filter(({ aggregateId }) => aggregateId === 'user-1'));
    expect(ofFirst).toEqual([...expected, ...expected]);
  });
});
