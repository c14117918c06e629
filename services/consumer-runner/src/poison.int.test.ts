import { createDatabase, createPool } from '@event-bus/database';
import { giveUp, type Letter, loadInboxGroups } from '@event-bus/inbox';
import { eventually, startProxy } from '@event-bus/testkit';
import type { PendingEntry } from '@event-bus/transport';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { holdUp } from './testing/hold-up.ts';
import { createRunnerBench, type Published } from './testing/runner-bench.ts';
import { type Supervisor, supervise } from './testing/supervise.ts';

type Bench = Awaited<ReturnType<typeof createRunnerBench>>;

const stream = 'events:user';
const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n % 8}`);
const idsOf = (events: readonly Published[]) => events.map(({ eventId }) => eventId);
// Entries of the dead are had soon.
const quick = { CLAIM_IDLE: '400ms', RECLAIM_EVERY: '100ms' };

let bench: Bench | undefined;
const supervisors: Supervisor[] = [];
let giver: ReturnType<typeof createDatabase> | undefined;
afterEach(async () => {
  await giver?.destroy();
  giver = undefined;
  await Promise.all(supervisors.splice(0).map((one) => one.stop()));
  await bench?.close();
  bench = undefined;
});

async function setUp(): Promise<Bench> {
  bench = await createRunnerBench(inject('postgresUrl'));
  return bench;
}

/** Every healthy event once, with its first attempt, and in an ordered group in the order of its aggregate. */
async function expectHealthyOnce(
  bus: Bench,
  { group, ordering }: { readonly group: string; readonly ordering: string },
  healthy: readonly Published[],
): Promise<void> {
  const ids = new Set(idsOf(healthy));
  const rows = (await bus.ledger(group)).filter(({ event_id }) => ids.has(event_id));
  expect(rows.map(({ event_id }) => event_id).sort()).toEqual([...ids].sort());
  expect(rows.filter(({ attempt }) => attempt !== 1)).toEqual([]);
  if (ordering === 'none') return;
  for (const [id, own] of Map.groupBy(healthy, ({ aggregateId }) => aggregateId)) {
    const handled = rows.filter(({ aggregate_id }) => aggregate_id === id).map(({ event_id }) => event_id);
    expect(handled).toEqual(idsOf(own));
  }
}

/** However a process dies of an event, all that the bus sees is that it is gone: each kind of group has it one way. */
const kinds = [
  { ordering: 'none', transaction: 'event', death: 'kill' },
  { ordering: 'none', transaction: 'batch', death: 'exit' },
  { ordering: 'aggregate', transaction: 'event', death: 'block' },
  { ordering: 'aggregate', transaction: 'batch', death: 'kill' },
] as const;

/** Leaves what is pending as if whoever held it had died an hour ago. */
async function age(bus: Bench, group: string): Promise<void> {
  const byConsumer = Map.groupBy(await bus.pending(group), ({ consumer }) => consumer);
  for (const [consumer, entries] of byConsumer) {
    const ids = entries.map(({ id }) => id);
    await bus.redis.client().xclaim(stream, group, consumer, 0, ...ids, 'IDLE', 3_600_000, 'JUSTID');
  }
}

/** A group of each kind on the same streams, and its runner, which is started again whenever it dies. */
function startKinds(bus: Bench, options: { readonly timeout?: '2s' } = {}) {
  return kinds.map((kind) => {
    const { group, path } = bus.consumer({ ...kind, ...options });
    let starts = 0;
    const supervisor = supervise(async () => {
      if (starts > 0) await age(bus, group);
      starts += 1;
      // Longer than a slow machine leaves a runner without a turn: it would take over, and count, what it holds itself.
      return bus.spawn(path, { ...quick, CLAIM_IDLE: '30s' });
    });
    supervisors.push(supervisor);
    return { ...kind, group, supervisor };
  });
}

describe('among healthy events, whatever the ordering and the transactions of the group', () => {
  it('an event that kills its process, makes it exit or blocks it for ever is left to the mover after three deaths', async () => {
    const bus = await setUp();
    const before = await bus.publish(aggregates(20));
    const [lethal] = await bus.publish(['user-3'], 'lethal');
    const healthy = [...before, ...(await bus.publish(aggregates(20)))];
    const groups = startKinds(bus);
    const mover = bus.transport.mover();

    for (const { group, ordering, supervisor } of groups) {
      const [left] = await eventually(
        async () => {
          const pending = await bus.pending(group);
          return pending.length === 1 && (await bus.ledger(group)).length === healthy.length && pending;
        },
        { message: 'all but one to be handled' },
      );
      await expectHealthyOnce(bus, { group, ordering }, healthy);
      expect(left?.fields?.event_id).toBe(lethal?.eventId);
      const known = (await loadInboxGroups(bus.database.db)).find((one) => one.group === group);
      const { maxDeliveries = 0, claimIdleMs = 0 } = known ?? {};
      expect({ maxDeliveries, claimIdleMs }).toEqual({ maxDeliveries: 3, claimIdleMs: 30_000 });
      const waits = await eventually(async () => {
        const page = await mover.givenUp(
          { stream, group },
          { minIdleMs: claimIdleMs, maxDeliveries, count: 100 },
        );
        return page.entries.length > 0 && page.entries;
      });
      expect(waits.map(({ id, deliveries, failure }) => ({ id, deliveries, failure }))).toEqual([
        { id: left?.id, deliveries: 3, failure: null },
      ]);
      await eventually(() => supervisor.deaths() === 3);
    }

    // Nobody takes it up again, and it holds nobody back.
    const more = await bus.publish(aggregates(8));
    for (const { group, supervisor } of groups) {
      await eventually(async () => (await bus.ledger(group)).length === healthy.length + more.length);
      expect(supervisor.deaths()).toBe(3);
    }
  });

  it('events whose handlers throw, recover, hang, skip, defer and decline end as they should, those behind them go on, and no process dies', async () => {
    const bus = await setUp();
    const odd = new Map<string, Published>();
    const healthy: Published[] = [];
    for (const [n, name] of ['poison', 'recover', 'hang', 'skip', 'decline', 'defer'].entries()) {
      healthy.push(...(await bus.publish(aggregates(8))));
      const [event] = await bus.publish([`odd-${n}`], name);
      if (event !== undefined) odd.set(name, event);
      // In an ordered group what is deferred holds back its aggregate.
      if (name !== 'defer') healthy.push(...(await bus.publish([`odd-${n}`])));
    }

    for (const { group, ordering, supervisor } of startKinds(bus, { timeout: '2s' })) {
      const pending = await eventually(
        async () => {
          const entries = await bus.pending(group);
          const final = entries.filter(({ failure }) => failure?.final === true);
          return entries.length === 4 && final.length === 3 && entries;
        },
        { message: 'the odd ones to come to their ends' },
      );
      // What recovered and what was skipped wrote something, too.
      await eventually(async () => (await bus.ledger(group)).length === healthy.length + 2);
      await expectHealthyOnce(bus, { group, ordering }, healthy);
      const recorded = (name: string) =>
        pending.find(({ fields }) => fields?.event_id === odd.get(name)?.eventId)?.failure;
      expect(recorded('poison')).toMatchObject({ attempts: 3, final: true, kind: 'attempts' });
      expect(recorded('hang')).toMatchObject({ attempts: 3, final: true, kind: 'attempts' });
      expect(recorded('hang')?.error).toMatch(/HandlerTimeoutError/);
      expect(recorded('decline')).toMatchObject({ attempts: 0, final: true, kind: 'declined' });
      expect(recorded('defer')).toMatchObject({ attempts: 0, final: false, kind: 'retry-after' });
      const { rows } = await bus.database.pool.query<{ event_id: string; outcome: string; attempt: number }>(
        'select event_id, outcome, attempt from inbox_events where consumer_group = $1 and event_id = any($2)',
        [group, idsOf([...odd.values()])],
      );
      expect(new Map(rows.map((row) => [row.event_id, [row.outcome, row.attempt]]))).toEqual(
        new Map([
          [odd.get('recover')?.eventId, ['done', 3]],
          [odd.get('skip')?.eventId, ['skipped', 1]],
        ]),
      );
      expect(supervisor.deaths()).toBe(0);
    }
  });
});

describe('a runner that is frozen in its handler for longer than its entries may be idle', () => {
  const letterOf = (group: string, { id, fields, deliveries, consumer }: PendingEntry): Letter => ({
    group,
    eventId: fields?.event_id ?? '',
    replayId: '',
    occurredAt: fields?.occurred_at ?? '',
    stream,
    streamId: id,
    injected: false,
    kind: 'crashed',
    reason: 'a test',
    error: '',
    stack: '',
    fingerprint: '',
    attempts: 0,
    history: [],
    deliveries,
    consumer,
    firstDeliveredAt: Date.now(),
    fields: fields ?? {},
  });
  const outcomes = async (bus: Bench, group: string) =>
    (
      await bus.database.db
        .selectFrom('inbox_events')
        .select('outcome')
        .where('consumer_group', '=', group)
        .execute()
    ).map(({ outcome }) => outcome);

  /** A runner that was stopped in the midst of a handler, and the entry in its hand. */
  async function freeze(bus: Bench, ordering: 'none' | 'aggregate', idle: '2s' | '30s') {
    const { group, path } = bus.consumer({ ordering });
    const runner = await bus.spawn(path, { ...quick, TRANSACTION_IDLE: idle });
    await bus.publish(['user-1'], 'linger');
    await runner.waitFor(/the handler lingers/);
    runner.kill('SIGSTOP');
    const [entry] = await eventually(async () => {
      const pending = await bus.pending(group);
      return pending[0] !== undefined && pending[0].idleMs > 400 && pending;
    });
    if (entry === undefined) throw new Error('nothing is pending');
    const letter = letterOf(group, entry);
    // As the mover has it: does not wait for handlers.
    giver = createDatabase(
      createPool({ url: bus.database.url, applicationName: 'giver', settings: { lock_timeout: '200ms' } }),
    );
    const db = giver;
    return { group, runner, entry, giveUp: () => giveUp(db, letter) };
  }

  it.each(['none', 'aggregate'] as const)(
    'loses to whoever gives the event up once its transaction is ended (ordering %s)',
    async (ordering) => {
      const bus = await setUp();
      const { group, runner, entry, giveUp: settle } = await freeze(bus, ordering, '2s');

      const before = new Set<string>();
      await eventually(async () => {
        const end = await settle();
        if (end !== 'dead') before.add(end);
        return end === 'dead';
      });
      // Unless the machine was so slow that the transaction had ended by then.
      expect([...before].filter((end) => end !== 'busy')).toEqual([]);
      await bus.transport.mover().deadLetter(
        { stream, group },
        { id: entry.id, eventId: entry.fields?.event_id ?? '' },
        {
          dlq_original_id: entry.id,
          dlq_group: group,
          dlq_reason: 'a test',
          dlq_error: '',
          dlq_deliveries: '1',
          dlq_first_delivered_at: '',
          dlq_dead_lettered_at: '',
          dlq_consumer: entry.consumer,
        },
      );
      runner.kill('SIGCONT');
      const [next] = await bus.publish(['user-1']);
      await eventually(
        async () => (await bus.ledger(group)).length === 1 && (await bus.pending(group)).length === 0,
      );

      expect((await bus.ledger(group)).map(({ event_id }) => event_id)).toEqual([next?.eventId]);
      expect((await outcomes(bus, group)).sort()).toEqual(['dead', 'done']);
      expect((await bus.observer.stream(`{${stream}}:dlq:${group}`)).length).toBe(1);
    },
  );

  it('wins if it goes on in time: whoever gives up is told so, and leaves no letter', async () => {
    const bus = await setUp();
    const { group, runner, giveUp: settle } = await freeze(bus, 'none', '30s');

    expect(await settle()).toBe('busy');
    runner.kill('SIGCONT');
    await eventually(async () => (await settle()) === 'settled');
    await eventually(async () => (await bus.pending(group)).length === 0);

    expect(await outcomes(bus, group)).toEqual(['done']);
    expect(await bus.ledger(group)).toHaveLength(1);
    expect(await bus.database.db.selectFrom('dead_letters').selectAll().execute()).toEqual([]);
  });
});

describe('a runner that is killed between commit and acknowledgement', () => {
  it('of what was injected leaves nothing to be done twice', async () => {
    const bus = await setUp();
    const { group, path } = bus.consumer();
    const gate = await holdUp(bus.database.pool, 'true');
    const network = await startProxy(bus.redis.port);
    const victim = await bus.spawn(path, { ...quick, REDIS_URL: `redis://127.0.0.1:${network.port}` });
    const injected = async () => (await bus.observer.injected(stream, group))?.pending ?? 0;
    await eventually(() => bus.status(group));
    const events = await bus.inject(group, 'replay-1', aggregates(4));
    await gate.waiting(4);

    // From here on nothing that it sends to Redis arrives.
    network.pause();
    await gate.letGo();
    await eventually(async () => (await bus.ledger(group)).length === 4);
    victim.kill('SIGKILL');
    await victim.exited;
    await network.close();
    expect(await injected()).toBe(4);
    await bus.spawn(path, quick);

    await eventually(async () => (await injected()) === 0);
    expect((await bus.ledger(group)).map(({ event_id }) => event_id).sort()).toEqual(idsOf(events).sort());
    expect((await bus.observer.stream(`{${stream}}:inject:${group}`)).length).toBe(0);
  });
});
