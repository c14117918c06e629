import { type BusDatabase, beat, runnerSilenceMs } from '@event-bus/database';
import { createLogger } from '@event-bus/telemetry';
import { eventually } from '@event-bus/testkit';
import type { Transaction } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createCircuit } from './circuit.ts';
import { createControl } from './control.ts';
import { createGroupBench, type GroupBench, types } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

/** Time in which anything that could start would have. */
async function aWhile(): Promise<void> {
  const since = Date.now();
  await eventually(() => Date.now() - since > 600);
}

describe('a paused group', () => {
  it('finishes what runs, starts nothing, keeps what it holds, and goes on where it stopped', async () => {
    const gate = Promise.withResolvers<void>();
    const consumer = bench.consumer({ concurrency: 2 }, () => gate.promise);
    const events = await bench.publish(...aggregates(30));
    const runner = bench.start(consumer, { claimIdleMs: 400 });
    await eventually(() => consumer.calls.length === 2);

    await bench.pause(consumer.group);
    await eventually(() => runner.logged('the group is paused'));
    const pausedAt = performance.now();
    gate.resolve();
    await eventually(() => runner.runner.status().running === 0);
    const more = await bench.publish(...aggregates(5));
    await aWhile();
    expect(consumer.calls).toHaveLength(2);
    // Whatever it holds was kept claimed since then; what is said of its idle time may be a second too little.
    await eventually(async () => {
      const pausedForMs = performance.now() - pausedAt - 1_000;
      const pending = await bench.pendingOf(consumer.group);
      return pending.length >= 28 && pending.every(({ idleMs }) => idleMs < pausedForMs);
    });

    await bench.resume(consumer.group);
    await bench.nothingPending(consumer.group);

    expect(new Set(consumer.calls.map(({ eventId }) => eventId))).toEqual(
      new Set([...events, ...more].map(({ eventId }) => eventId)),
    );
    expect(consumer.calls).toHaveLength(35);
    expect(consumer.calls.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(runner.logs.find(({ msg }) => /is paused/.test(String(msg)))).toMatchObject({
      by: 'alice',
      reason: 'a test',
    });
  });

  it('does not try again what is to be retried, and does so when it is resumed', async () => {
    let fails = true;
    const consumer = bench.consumer({}, () => {
      if (fails) throw new Error('not yet');
    });
    const runner = bench.start(consumer);
    await bench.publish('user-1');
    await eventually(() => consumer.calls.length === 1);
    await bench.pause(consumer.group);
    await eventually(() => runner.logged('the group is paused'));
    const before = consumer.calls.length;
    fails = false;
    await aWhile();
    await aWhile();
    expect(consumer.calls).toHaveLength(before);

    await bench.resume(consumer.group);
    await bench.nothingPending(consumer.group);
  });

  it.each(['none', 'aggregate'] as const)(
    'stays paused for a runner that starts meanwhile, which reads nothing (ordering %s)',
    async (ordering) => {
      const consumer = bench.consumer({ ordering });
      const first = bench.start(consumer);
      await eventually(first.isLive);
      await first.stop();
      await bench.pause(consumer.group);
      const events = await bench.publish(...aggregates(20));

      const second = bench.start(consumer, { name: 'second' });
      await eventually(async () => (await bench.runners(consumer.group)).length === 1);
      await aWhile();

      expect(consumer.calls).toEqual([]);
      expect(await bench.pendingOf(consumer.group)).toEqual([]);
      await bench.resume(consumer.group);
      await bench.nothingPending(consumer.group);
      expect(consumer.calls).toHaveLength(events.length);
      expect(second.logged('the group is resumed')).toBe(true);
    },
  );

  it('hands everything back when its runner stops, at once and without counting a delivery', async () => {
    const gate = Promise.withResolvers<void>();
    const consumer = bench.consumer({ concurrency: 2 }, () => gate.promise);
    const events = await bench.publish(...aggregates(30));
    const runner = bench.start(consumer);
    await eventually(() => consumer.calls.length === 2);
    await bench.pause(consumer.group);
    await eventually(() => runner.logged('the group is paused'));
    gate.resolve();
    await eventually(() => runner.runner.status().running === 0);

    await runner.stop();

    const pending = await bench.pendingOf(consumer.group);
    expect(pending).toHaveLength(28);
    expect(pending.every(({ deliveries, consumer: name }) => deliveries === 0 && name === '@released')).toBe(
      true,
    );
    expect(await bench.runners(consumer.group)).toEqual([]);
    await bench.resume(consumer.group);
    bench.start(consumer, { name: 'second', claimIdleMs: 3_600_000 });
    await bench.nothingPending(consumer.group);
    expect(consumer.calls).toHaveLength(events.length);
  });

  it('is what was last known of it while the database of the bus is away', async () => {
    const consumer = bench.consumer();
    const runner = bench.start(consumer);
    await eventually(runner.isLive);
    await bench.database.pool.query('alter table group_runners rename to group_runners_away');
    await eventually(() => runner.logged('renewing what is known of the group fails'));
    await bench.publish('user-1');
    await bench.nothingPending(consumer.group);
    await bench.pause(consumer.group);
    await bench.publish('user-2');
    await bench.nothingPending(consumer.group);

    await bench.database.pool.query('alter table group_runners_away rename to group_runners');
    await eventually(() => runner.logged('the group is paused'));
  });
});

describe('two versions of a group side by side, of which only the newer handles a type', () => {
  const versions = (options: { readonly ordering: 'none' | 'aggregate'; readonly transaction?: 'batch' }) => {
    const old = bench.consumer({ ...options, events: [types.renamed] });
    const newer = bench.consumer({ ...options, group: old.group, events: [types.renamed, types.deleted] });
    return { old, newer, group: old.group };
  };
  /** A mixture, in which every aggregate has both. */
  const publishMixed = (count: number) =>
    bench.publisher.publishEvents(
      ...Array.from({ length: count }, (_, n) => ({
        aggregateId: `user-${n % 10}`,
        ...(n % 3 === 1 ? { type: types.deleted } : { type: types.renamed, payload: '{"name":"Ada"}' }),
      })),
    );
  const expectAllOnce = async (group: string, events: readonly { readonly eventId: string }[]) => {
    const effects = await bench.effects(group);
    expect(effects.map(({ event_id }) => event_id).sort()).toEqual(
      events.map(({ eventId }) => eventId).sort(),
    );
    expect(effects.every(({ attempt }) => attempt === 1)).toBe(true);
    return effects;
  };

  it.each(['event', 'batch'] as const)(
    'leave the new type to the newer one, and pass none over (unordered, transaction %s)',
    async (transaction) => {
      const { old, newer, group } = versions({
        ordering: 'none',
        ...(transaction === 'batch' && { transaction }),
      });
      // Looks so seldom that the newer one has to wait for it.
      const first = bench.start(old, { name: 'old', controlEveryMs: 1_500 });
      await eventually(first.isLive);
      const second = bench.start(newer, { name: 'new' });
      // From the moment on at which the newer one reads, nothing of its types is passed over.
      await eventually(second.isLive);
      const events: Awaited<ReturnType<typeof publishMixed>> = [];
      for (let round = 0; round < 10; round += 1) events.push(...(await publishMixed(30)));
      await bench.nothingPending(group);

      const effects = await expectAllOnce(group, events);
      for (const { type, runner } of effects) if (type === types.deleted) expect(runner).toBe('new');
      expect(effects.some(({ runner }) => runner === 'old')).toBe(true);
    },
  );

  it('wait for the older one to stop in an ordered group, where it keeps the order of what it leaves', async () => {
    const { old, newer, group } = versions({ ordering: 'aggregate' });
    // However slow the machine is, nobody takes the stream over before it stops.
    const first = bench.start(old, { name: 'old', leaseTtlMs: 60_000 });
    await eventually(first.isLive);
    const second = bench.start(newer, { name: 'new' });
    await eventually(() => second.logged('all other runners of the group know'));
    const events = await publishMixed(60);
    const early = new Set(
      [...Map.groupBy(events, ({ aggregateId }) => aggregateId).values()].flatMap((own) => {
        const at = own.findIndex(({ type }) => type === types.deleted);
        return own.slice(0, at === -1 ? own.length : at).map(({ eventId }) => eventId);
      }),
    );
    await eventually(async () => (await bench.effects(group)).length === early.size);
    await aWhile();
    expect(new Set((await bench.effects(group)).map(({ event_id }) => event_id))).toEqual(early);

    await first.stop();
    await bench.nothingPending(group);

    const effects = await expectAllOnce(group, events);
    for (const [id, own] of Map.groupBy(events, ({ aggregateId }) => aggregateId)) {
      const handled = effects
        .filter(({ aggregate_id }) => aggregate_id === id)
        .map(({ event_id }) => event_id);
      expect(handled).toEqual(own.map(({ eventId }) => eventId));
    }
  });

  it('keep the order within a batch, too', async () => {
    const { old, newer, group } = versions({ ordering: 'aggregate', transaction: 'batch' });
    const first = bench.start(old, { name: 'old' });
    await eventually(first.isLive);
    const second = bench.start(newer, { name: 'new' });
    await eventually(() => second.logged('all other runners of the group know'));
    await bench.pause(group);
    await eventually(() => first.logged('the group is paused'));
    const events = await publishMixed(60);
    await bench.resume(group);
    await eventually(async () => (await bench.effects(group)).length > 0);
    await aWhile();
    await first.stop();
    await bench.nothingPending(group);

    const effects = await expectAllOnce(group, events);
    for (const [id, own] of Map.groupBy(events, ({ aggregateId }) => aggregateId)) {
      const handled = effects
        .filter(({ aggregate_id }) => aggregate_id === id)
        .map(({ event_id }) => event_id);
      expect(handled).toEqual(own.map(({ eventId }) => eventId));
    }
  });

  it('drain to the end when the older one stops in the midst of it', async () => {
    const { old, newer, group } = versions({ ordering: 'none' });
    const first = bench.start(old, { name: 'old' });
    await eventually(first.isLive);
    const second = bench.start(newer, { name: 'new' });
    await eventually(second.isLive);
    const events = await publishMixed(300);
    await eventually(async () => (await bench.effects(group)).length > 50);
    await first.stop();

    await bench.nothingPending(group);
    await expectAllOnce(group, events);
  });

  it('pass the type over once none that handles it is left, as types without a handler always are', async () => {
    const { old, newer, group } = versions({ ordering: 'none' });
    const first = bench.start(old, { name: 'old' });
    await eventually(first.isLive);
    const second = bench.start(newer, { name: 'new' });
    await eventually(second.isLive);
    await second.stop();
    await eventually(async () => (await bench.runners(group)).length === 1);
    await publishMixed(30);
    await bench.nothingPending(group);

    const effects = await bench.effects(group);
    expect(effects).toHaveLength(20);
    expect(effects.every(({ type }) => type === types.renamed)).toBe(true);
  });
});

describe('who is new in a group, and a runner that lacks one of its handlers', () => {
  const group = 'two-versions';
  const stopping = () => {
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    return stop.signal;
  };
  const control = (runner: string, events: readonly string[], now?: () => number) => {
    const { define } = bench.consumer({ group, events });
    return createControl({
      group: define(runner),
      runner,
      registry: bench.database.db,
      circuit: createCircuit({
        threshold: 0,
        concurrency: 1,
        firstPauseMs: 1,
        longestPauseMs: 1,
        onChange: () => undefined,
      }),
      // Beats when it has a reason to, or not at all.
      everyMs: 5_000,
      logger: createLogger({ service: 'test', level: 'silent' }),
      onResume: () => undefined,
      ...(now !== undefined && { now }),
    });
  };
  /** An older runner that has joined, and what makes it as if it had been frozen. */
  const startOld = async () => {
    let frozenMs = 0;
    const old = control('old', [types.renamed], () => performance.now() + frozenMs);
    await old.join(stopping());
    const freeze = async (ms: number) => {
      frozenMs += ms;
      await bench.database.pool.query(
        `update group_runners set seen_at = seen_at - make_interval(secs => $1::float8 / 1000) where runner = 'old'`,
        [ms],
      );
    };
    return { old, freeze, passesOver: () => !old.isForeign(types.deleted) };
  };
  const newerBeats = (trx: Transaction<BusDatabase>) =>
    beat(trx, {
      group,
      runner: 'newer',
      topics: ['user'],
      events: [types.renamed, types.deleted],
      circuit: 'closed',
      circuitSince: 0,
      circuitError: null,
      knownAt: null,
    });
  const someoneWaitsForALock = async () => {
    const { rows } = await bench.database.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  };

  it('that was frozen until it passed for dead: it passes nothing over until it has heard what it missed', async () => {
    const { old, freeze, passesOver } = await startOld();
    expect(passesOver()).toBe(true);
    await freeze(runnerSilenceMs - 1_000);
    expect(passesOver()).toBe(false);
    expect(old.isForeign(types.renamed)).toBe(false);
    await freeze(2_000);
    // Waits for nobody.
    const newer = control('newer', [types.renamed, types.deleted]);
    await newer.join(stopping());
    expect(passesOver()).toBe(false);

    await newer.leave();
    void old.run(stopping());
    await eventually(passesOver);
  });

  it('that beats again in the same moment: its first news is older than the beat of who is new', async () => {
    const { old, freeze, passesOver } = await startOld();
    await freeze(runnerSilenceMs + 1_000);
    const trx = await bench.database.db.startTransaction().execute();
    await newerBeats(trx);
    void old.run(stopping());
    await eventually(someoneWaitsForALock);
    await trx.commit().execute();

    const seen = new Set<boolean>();
    const since = performance.now();
    await eventually(() => {
      seen.add(passesOver());
      return performance.now() - since > 600;
    });
    expect([...seen]).toEqual([false]);
  });

  it('that joins in the same moment: neither sees the first beat of the other, and who is new waits', async () => {
    const trx = await bench.database.db.startTransaction().execute();
    await newerBeats(trx);
    const newer = control('newer', [types.renamed, types.deleted]);
    let hasJoined = false;
    const joined = newer.join(stopping()).then(() => {
      hasJoined = true;
    });
    await eventually(someoneWaitsForALock);
    const { old, passesOver } = await startOld();
    await trx.rollback().execute();
    await aWhile();
    expect({ hasJoined, passesOver: passesOver() }).toEqual({ hasJoined: false, passesOver: true });

    void old.run(stopping());
    await eventually(() => !passesOver());
    await joined;
  });
});
