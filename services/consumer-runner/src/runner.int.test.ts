import { randomBytes } from 'node:crypto';
import { eventually, startPostgres, startProxy } from '@event-bus/testkit';
import type { FailureRecord } from '@event-bus/transport';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { holdUp } from './testing/hold-up.ts';
import { createRunnerBench, type LedgerRow, type Published } from './testing/runner-bench.ts';

type Environment = Readonly<Record<string, string>>;
type Bench = Awaited<ReturnType<typeof createRunnerBench>>;

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n % 12}`);
const idsOf = (events: readonly Published[]) => events.map(({ eventId }) => eventId);

/** Every event once, and nothing else. */
function expectOnce(ledger: readonly LedgerRow[], events: readonly Published[]): void {
  const handled = Map.groupBy(ledger, ({ event_id }) => event_id);
  const ids = new Set(idsOf(events));
  expect({
    lost: [...ids].filter((id) => !handled.has(id)),
    doubled: [...handled].filter(([, rows]) => rows.length > 1).map(([id]) => id),
    unknown: [...handled.keys()].filter((id) => !ids.has(id)),
  }).toEqual({ lost: [], doubled: [], unknown: [] });
}

/** Each aggregate in the order in which its events were published. */
function expectInOrder(ledger: readonly LedgerRow[], events: readonly Published[]): void {
  const handled = Map.groupBy(ledger, (row) => row.aggregate_id);
  for (const [aggregateId, own] of Map.groupBy(events, (event) => event.aggregateId)) {
    expect(handled.get(aggregateId)?.map(({ event_id }) => event_id)).toEqual(idsOf(own));
  }
}

describe('the consumer runner', () => {
  let bench: Bench | undefined;
  const setUp = async (postgresUrl = inject('postgresUrl')) => {
    bench = await createRunnerBench(postgresUrl);
    return bench;
  };
  afterEach(async () => {
    await bench?.close();
    bench = undefined;
  });

  const settled = (of: Bench, group: string, count: number) =>
    eventually(
      async () => {
        const [ledger, { pending }] = await Promise.all([of.ledger(group), of.status(group)]);
        return ledger.length >= count && pending === 0;
      },
      { message: `${count} events to be handled and acknowledged` },
    );

  it('handles every event once, though runners are killed with entries in their hands', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ concurrency: 4, handlerMs: 15 });
    const gate = await holdUp(bus.database.pool);
    const events = await bus.publish(aggregates(40));
    events.push(...(await bus.publish(aggregates(4), 'held')), ...(await bus.publish(aggregates(56))));
    const victim = await bus.spawn(path);
    await gate.waiting(4);

    victim.kill('SIGKILL');
    await victim.exited;
    await gate.letGo();
    const left = await bus.status(group);
    await Promise.all([bus.spawn(path), bus.spawn(path)]);

    await settled(bus, group, 100);
    expectOnce(await bus.ledger(group), events);
    expect(left.pending).toBeGreaterThan(4);
  });

  it('changes nothing the second time when it was killed between commit and acknowledgement', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ concurrency: 4 });
    const gate = await holdUp(bus.database.pool);
    const network = await startProxy(bus.redis.port);
    const victim = await bus.spawn(path, { REDIS_URL: `redis://127.0.0.1:${network.port}` });
    await eventually(() => bus.status(group));
    const events = await bus.publish(aggregates(4), 'held');
    await gate.waiting(4);

    // From here on nothing that it sends to Redis arrives.
    network.pause();
    await gate.letGo();
    await eventually(async () => (await bus.ledger(group)).length === 4);
    victim.kill('SIGKILL');
    await victim.exited;
    await network.close();
    expect((await bus.status(group)).pending).toBe(4);
    await bus.spawn(path);

    await settled(bus, group, 4);
    expectOnce(await bus.ledger(group), events);
  });

  it('on SIGTERM finishes what runs and hands back the rest: no name, no attempt and no delivery is left', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ concurrency: 2, handlerMs: 20 });
    const gate = await holdUp(bus.database.pool);
    const events = await bus.publish(aggregates(20));
    events.push(...(await bus.publish(aggregates(2), 'held')), ...(await bus.publish(aggregates(58))));
    const first = await bus.spawn(path, { CLAIM_IDLE: '1h' });
    await gate.waiting(2);

    const stopped = first.stop();
    await first.waitFor(/"msg":"stopping"/);
    await gate.letGo();
    const { code } = await stopped;

    const { consumers, pending, failed } = await bus.status(group);
    expect({ code, failed }).toEqual({ code: 0, failed: 0 });
    expect(await bus.ledger(group)).toHaveLength(22);
    expect(pending).toBeGreaterThan(10);
    expect(consumers.filter((one) => one.pending > 0)).toHaveLength(1);
    expect(consumers).toHaveLength(1);
    // What was handed back is had at once, long before the idle time is over.
    await bus.spawn(path, { CLAIM_IDLE: '1h' });
    await settled(bus, group, 80);
    const ledger = await bus.ledger(group);
    expectOnce(ledger, events);
    expect(ledger.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  /** A runner that handles the stream of an ordered group, and one that stands by. */
  async function spawnPair(bus: Bench, path: string, env: Environment = {}, standbyEnv: Environment = {}) {
    const holder = await bus.spawn(path, env);
    await holder.waitFor(/handling this stream/);
    const standby = await bus.spawn(path, { ...env, ...standbyEnv });
    await standby.waitFor(/"msg":"started"/);
    return { holder, standby };
  }

  /** Events of all aggregates, before and after one of each whose handler can be held up. */
  async function publishAround(bus: Bench): Promise<Published[]> {
    const before = await bus.publish(aggregates(24));
    const held = await bus.publish(aggregates(12), 'held');
    return [...before, ...held, ...(await bus.publish(aggregates(84)))];
  }

  it('fences an ordered runner that was stopped for longer than its lease, when it goes on', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ ordering: 'aggregate', handlerMs: 25 });
    // Its transactions stay open meanwhile, and hold back the four aggregates they belong to: nothing but the
    // fence keeps them from being committed late.
    const { holder, standby } = await spawnPair(
      bus,
      path,
      { TRANSACTION_IDLE: '1h', CONCURRENCY: '4' },
      { CONCURRENCY: '16' },
    );
    const gate = await holdUp(bus.database.pool);
    const events = await publishAround(bus);
    const rowsOf = async ({ pid }: { readonly pid: number }) =>
      (await bus.ledger(group)).filter((row) => row.pid === pid);
    await gate.waiting(4);

    holder.kill('SIGSTOP');
    await gate.letGo();
    await eventually(async () => (await rowsOf(standby)).length > 0);
    const committed = await rowsOf(holder);
    holder.kill('SIGCONT');

    await settled(bus, group, 120);
    const ledger = await bus.ledger(group);
    expectOnce(ledger, events);
    expectInOrder(ledger, events);
    await holder.waitFor(/the lease of this stream was lost/);
    expect(await rowsOf(holder)).toEqual(committed);
  });

  it('commits nothing once its lease has passed on, before it has noticed', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ ordering: 'aggregate', handlerMs: 25 });
    const runner = await bus.spawn(path, { LEASE_TTL: '12s' });
    await runner.waitFor(/handling this stream/);
    const events = await bus.publish(aggregates(480));
    await eventually(async () => (await bus.ledger(group)).length > 20);

    const { pool } = bus.database;
    const expire = `update inbox_leases set expires_at = '-infinity' where consumer_group = '${group}'`;
    // In one transaction: its holder might renew it in between.
    await pool.query(`${expire}; select inbox_acquire_lease('${group}', 'events:user', 'another', '1 hour')`);
    const committed = await bus.ledger(group);
    await runner.waitFor(/the lease of this stream was lost/);

    expect(await bus.ledger(group)).toEqual(committed);
    await pool.query(expire);
    await settled(bus, group, 480);
    const ledger = await bus.ledger(group);
    expectOnce(ledger, events);
    expectInOrder(ledger, events);
  });

  it('hands over an ordered stream within seconds of a kill, in order', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ ordering: 'aggregate', handlerMs: 25 });
    const { holder, standby } = await spawnPair(bus, path, { CLAIM_IDLE: '1h', CONCURRENCY: '4' });
    const gate = await holdUp(bus.database.pool);
    const events = await publishAround(bus);
    await gate.waiting(4);

    holder.kill('SIGKILL');
    await gate.letGo();

    await settled(bus, group, 120);
    const ledger = await bus.ledger(group);
    expectOnce(ledger, events);
    expectInOrder(ledger, events);
    expect(new Set(ledger.map(({ pid }) => pid))).toEqual(new Set([holder.pid, standby.pid]));
  });

  it('handles in batches every event once and in order, though it is killed', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer({ ordering: 'aggregate', transaction: 'batch', handlerMs: 100 });
    const gate = await holdUp(bus.database.pool);
    const events = await bus.publish(aggregates(96));
    events.push(...(await bus.publish(['user-11'], 'held')), ...(await bus.publish(aggregates(103))));
    const first = await bus.spawn(path);
    await gate.waiting(1);
    await eventually(async () => (await bus.ledger(group)).length > 0);
    first.kill('SIGKILL');
    await first.exited;
    await gate.letGo();
    expect((await bus.status(group)).pending).toBeGreaterThan(0);
    await bus.spawn(path);

    await settled(bus, group, 200);
    const ledger = await bus.ledger(group);
    expectOnce(ledger, events);
    expectInOrder(ledger, events);
  });

  it.each(['event', 'batch'] as const)(
    'hands over an ordered stream (transaction %s) when its holder is frozen, with all that it has locked',
    async (transaction) => {
      const bus = await setUp();
      const { group, path } = bus.consumer({ ordering: 'aggregate', transaction, concurrency: 1 });
      const { holder, standby } = await spawnPair(bus, path);
      const events = await bus.publish(['user-1'], 'linger');
      await holder.waitFor(/the handler lingers/);

      holder.kill('SIGSTOP');
      events.push(...(await bus.publish(aggregates(24))));
      // A fraction of the time that its handlers may take.
      await eventually(async () => (await bus.ledger(group)).length === events.length, { timeoutMs: 15_000 });
      holder.kill('SIGCONT');

      await holder.waitFor(/the lease of this stream was lost/);
      await settled(bus, group, events.length);
      const ledger = await bus.ledger(group);
      expectOnce(ledger, events);
      expectInOrder(ledger, events);
      expect(ledger.every(({ pid, attempt }) => pid === standby.pid && attempt === 1)).toBe(true);
    },
  );

  it('leaves poison pending with its reason, and handles all the rest', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer();
    const foreign = bus.redis.client();
    for (let n = 0; n < 50; n += 1) await foreign.xadd('events:user', '*', 'no', 'event');
    await bus.publish(['user-poison'], 'poison');
    const events = await bus.publish(aggregates(60));
    const runner = await bus.spawn(path);

    await eventually(async () => {
      const { failed, pending } = await bus.status(group);
      return failed === 51 && pending === 51;
    });
    expectOnce(await bus.ledger(group), events);
    expect((await runner.stop()).code).toBe(0);
    const records = Object.values(await foreign.hgetall(`{events:user}:failures:${group}`)).map(
      (json) => JSON.parse(json) as FailureRecord,
    );
    expect(
      records.filter(({ attempts, error }) => attempts === 3 && /cannot be handled/.test(error)),
    ).toHaveLength(1);
    expect(records.map(({ final }) => final)).not.toContain(false);
  });

  it.each(['event', 'batch'] as const)(
    'gives up what the inbox cannot hold, saying which value, and handles all around it (a transaction per %s)',
    async (transaction) => {
      const bus = await setUp();
      const { group, path } = bus.consumer({ transaction, ordering: 'aggregate' });
      const before = await bus.publish(aggregates(60));
      const unfit = [
        { occurred_at: '2026-11-23T10:00:00+20:00' },
        { occurred_at: '0000-01-01T00:00:00Z' },
        { source: 'a\0b' },
        { aggregate_id: randomBytes(3_000).toString('hex') },
      ];
      for (const fields of unfit) await bus.publishForeign(fields);
      const after = await bus.publish(aggregates(60));
      await bus.spawn(path);

      await eventually(async () => {
        const { failed, pending } = await bus.status(group);
        return failed === 4 && pending === 4;
      });
      const ledger = await bus.ledger(group);
      expectOnce(ledger, [...before, ...after]);
      expectInOrder(ledger, [...before, ...after]);
      expect(ledger.every(({ attempt }) => attempt === 1)).toBe(true);
      const records = await bus.redis.client().hgetall(`{events:user}:failures:${group}`);
      const reasons = Object.values(records).map((json) => (JSON.parse(json) as FailureRecord).reason);
      expect(reasons.map((reason) => reason.slice(0, 30)).sort()).toEqual([
        expect.stringMatching(/^unrecordable: aggregate_id "/),
        expect.stringMatching(/^unrecordable: occurred_at "000/),
        expect.stringMatching(/^unrecordable: occurred_at "202/),
        expect.stringMatching(/^unrecordable: source "a/),
      ]);
    },
  );

  it.each([
    ['event', 'none'],
    ['event', 'aggregate'],
    ['batch', 'aggregate'],
  ] as const)(
    'ends complete, with nothing doubled, when Redis forgets everything under traffic (a transaction per %s, ordering: %s)',
    async (transaction, ordering) => {
      const bus = await setUp();
      const { group, path } = bus.consumer({ transaction, ordering, concurrency: 4, handlerMs: 5 });
      await bus.spawn(path, { READ_COUNT: '40' });
      const before = await bus.publish(aggregates(400));
      await eventually(async () => (await bus.ledger(group)).length > 150);

      await bus.redis.client().flushall();
      await bus.publishAgain(before);
      const after = await bus.publish(aggregates(60));

      await settled(bus, group, 460);
      const ledger = await bus.ledger(group);
      expectOnce(ledger, [...before, ...after]);
      if (ordering === 'aggregate') expectInOrder(ledger, [...before, ...after]);
    },
  );

  it('recovers by itself when PostgreSQL crashes under traffic, with nothing lost or doubled', async () => {
    const postgres = await startPostgres();
    try {
      const bus = await setUp(postgres.url());
      // Its backends end with the server.
      bus.database.pool.on('error', () => 'connects again');
      const { group, path } = bus.consumer({ concurrency: 4, handlerMs: 10 });
      const runner = await bus.spawn(path);
      const gate = await holdUp(bus.database.pool);
      const events = await bus.publish(aggregates(40));
      events.push(...(await bus.publish(aggregates(4), 'held')), ...(await bus.publish(aggregates(56))));
      await gate.waiting(4);

      await postgres.kill();
      await runner.waitFor(/handling events in the database fails/);
      await postgres.restart();
      await eventually(gate.letGo);

      await settled(bus, group, 100);
      const ledger = await bus.ledger(group);
      expectOnce(ledger, events);
      expect(ledger.every(({ attempt }) => attempt === 1)).toBe(true);
      await bench?.close();
      bench = undefined;
    } finally {
      await postgres.stop();
    }
  });

  it('refuses a configuration that names no consumer, and a database that was not migrated, saying what to do', async () => {
    const bus = await setUp();
    const { path } = bus.consumer();
    const unknown = await bus.spawn('@event-bus/user-directry');
    const outdated = await bus.spawn(path, {
      DATABASE_URL: inject('postgresUrl'),
      BUS_DATABASE_URL: bus.database.url,
    });

    expect((await unknown.exited).code).toBe(78);
    expect(unknown.output()).toContain('did you mean @event-bus/user-directory?');
    expect((await outdated.exited).code).toBe(1);
    expect(outdated.output()).toContain('run `bus migrate` first');
  });
});
