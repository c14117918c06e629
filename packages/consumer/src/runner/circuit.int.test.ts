import { createLogger } from '@event-bus/telemetry';
import { startTelemetry } from '@event-bus/telemetry/sdk';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { exponential } from '../retry-policy.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);
const quickly = exponential('20ms', { max: '50ms' });

/** Something that all handlers need: it refuses while it is down. */
function createDependency() {
  let isDown = true;
  return {
    repair() {
      isDown = false;
    },
    call() {
      if (isDown) throw new Error('connection refused');
    },
  };
}

describe.each([
  { ordering: 'none', transaction: 'event' },
  { ordering: 'aggregate', transaction: 'event' },
  { ordering: 'none', transaction: 'batch' },
  { ordering: 'aggregate', transaction: 'batch' },
] as const)('a group (ordering $ordering, transaction $transaction) of which every handler fails', (kind) => {
  it('tries single events now and again, gives none up, and handles all of them afterwards', async () => {
    const smtp = createDependency();
    const consumer = bench.consumer(
      {
        ...kind,
        retry: { maxAttempts: 2, backoff: quickly },
        circuitBreaker: { aggregates: 5 },
        concurrency: 4,
      },
      () => smtp.call(),
    );
    const events = await bench.publish(...aggregates(60), ...aggregates(60));
    const runner = bench.start(consumer, { readAhead: 40 });
    await eventually(() => runner.logged('handlers fail on many aggregates'));

    // What had begun before.
    await eventually(() => runner.runner.status().running === 0);

    // Many pauses long: an outage in which each event would have used up its attempts.
    const opened = consumer.calls.length;
    await eventually(() => consumer.calls.length >= opened + 25);
    const duringOutage = consumer.calls.length;
    const changes = runner.logs.filter(({ msg }) =>
      /handlers fail on many|trying whether/.test(String(msg)),
    ).length;
    smtp.repair();
    await bench.nothingPending(consumer.group);

    // After as many tries as opened it there is another pause.
    expect(duringOutage - opened).toBeLessThanOrEqual(5 * (changes / 2 + 1));
    const effects = await bench.effects(consumer.group);
    expect(effects.map(({ event_id }) => event_id).sort()).toEqual(
      events.map(({ eventId }) => eventId).sort(),
    );
    // As many as may fail before it opens.
    expect(effects.filter(({ attempt }) => attempt > 1).length).toBeLessThan(5);
    expect(effects.every(({ attempt }) => attempt <= 2)).toBe(true);
    expect(await bench.letters(consumer.group)).toEqual([]);
    expect(runner.logged('handlers succeed again')).toBe(true);
    if (kind.ordering === 'aggregate') {
      for (const [id, own] of Map.groupBy(events, (event) => event.aggregateId)) {
        const handled = effects.filter(({ aggregate_id }) => aggregate_id === id);
        expect(handled.map(({ event_id }) => event_id)).toEqual(own.map(({ eventId }) => eventId));
      }
    }
  });
});

describe('a circuit', () => {
  it('is shown to operators with its error, in the list of runners and in the metrics', async () => {
    const telemetry = await startTelemetry({
      service: 'test',
      logger: createLogger({ service: 'test', level: 'silent' }),
    });
    const smtp = createDependency();
    const consumer = bench.consumer({ retry: { maxAttempts: 2, backoff: quickly } }, () => smtp.call());
    const gauge = async () =>
      new RegExp(`^bus_consumer_circuit_open\\{.*"${consumer.group}".*\\} (\\d)`, 'm').exec(
        await telemetry.metricsText(),
      )?.[1];
    const before = Date.now();
    bench.start(consumer);
    await eventually(async () => (await bench.runners(consumer.group)).length === 1);
    expect((await bench.runners(consumer.group))[0]).toMatchObject({
      circuit: 'closed',
      circuit_error: null,
    });
    expect(await gauge()).toBe('0');

    await bench.publish(...aggregates(40));
    await eventually(async () => {
      const [row] = await bench.runners(consumer.group);
      return row !== undefined && row.circuit !== 'closed';
    });
    const [open] = await bench.runners(consumer.group);
    expect(await gauge()).toBe('1');
    smtp.repair();
    await bench.nothingPending(consumer.group);
    await eventually(async () => (await bench.runners(consumer.group))[0]?.circuit === 'closed');

    expect(open?.circuit_error).toBe('Error: connection refused');
    expect(open?.circuit_since?.valueOf()).toBeGreaterThanOrEqual(before);
    expect((await bench.runners(consumer.group))[0]?.circuit_error).toBeNull();
    expect(await gauge()).toBe('0');
    await telemetry.shutdown();
  });

  it('is not opened by poisonous events among healthy ones, which use up their attempts', async () => {
    const consumer = bench.consumer(
      { retry: { maxAttempts: 6, backoff: quickly }, circuitBreaker: { aggregates: 3 }, concurrency: 2 },
      ({ aggregateId }) => {
        if (aggregateId.startsWith('poison')) throw new Error('malformed');
      },
    );
    const runner = bench.start(consumer);
    const poison = [...(await bench.publish('poison-1')), ...(await bench.publish('poison-2'))];
    let healthy = 0;
    await eventually(async () => {
      await bench.publish(`user-${healthy}`, `user-${healthy + 1}`, `user-${healthy + 2}`);
      healthy += 3;
      const records = await Promise.all(poison.map((event) => bench.failureOf(consumer.group, event)));
      return records.every((record) => record?.final === true);
    });

    expect((await bench.failureOf(consumer.group, { ...must(poison[0]) }))?.attempts).toBe(6);
    expect(runner.logged('handlers fail on many aggregates')).toBe(false);
    await eventually(async () => (await bench.effects(consumer.group)).length === healthy);
  });

  it('closes although one event stays poisonous, and that one uses up its attempts then', async () => {
    const smtp = createDependency();
    const consumer = bench.consumer(
      { retry: { maxAttempts: 3, backoff: quickly }, circuitBreaker: { aggregates: 4 }, concurrency: 4 },
      ({ aggregateId }) => {
        smtp.call();
        if (aggregateId === 'poison') throw new Error('malformed');
      },
    );
    const [poison] = await bench.publish('poison');
    const events = await bench.publish(...aggregates(30));
    const runner = bench.start(consumer);
    await eventually(() => runner.logged('handlers fail on many aggregates'));
    smtp.repair();

    await eventually(async () => (await bench.failureOf(consumer.group, must(poison)))?.final === true);
    await eventually(async () => (await bench.effects(consumer.group)).length === events.length);
    expect((await bench.failureOf(consumer.group, must(poison)))?.attempts).toBe(3);
    expect(runner.logged('handlers succeed again')).toBe(true);
  });

  it('is not opened by what was to blame for the runner before, though nothing else is left', async () => {
    const define = (maxAttempts: number, group?: string) =>
      bench.consumer(
        {
          ...(group && { group }),
          retry: { maxAttempts, backoff: quickly },
          circuitBreaker: { aggregates: 3 },
        },
        ({ aggregateId }) => {
          if (aggregateId.startsWith('poison')) throw new Error('malformed');
        },
      );
    const poison = await bench.publish(...aggregates(6).map((name) => `poison of ${name}`));
    const failures = (group: string) => Promise.all(poison.map((event) => bench.failureOf(group, event)));
    const first = define(1_000);
    const runner = bench.start(first);
    await eventually(async () => {
      await bench.publish('user-0');
      return (await failures(first.group)).every((failure) => failure?.isOwn === true);
    });
    await runner.stop();

    const second = bench.start(define(3, first.group));
    await eventually(async () => (await failures(first.group)).every((failure) => failure?.final === true));
    expect(second.logged('handlers fail on many aggregates')).toBe(false);
  });

  it('is one of each runner: both stop, and both go on', async () => {
    const smtp = createDependency();
    const consumer = bench.consumer(
      { retry: { maxAttempts: 3, backoff: quickly }, circuitBreaker: { aggregates: 4 }, concurrency: 4 },
      () => smtp.call(),
    );
    const runners = ['first', 'second'].map((name) => bench.start(consumer, { name, capacity: 20 }));
    await eventually(() => runners.every(({ isLive }) => isLive()));
    const events = await bench.publish(...aggregates(100));
    await eventually(() => runners.every(({ logged }) => logged('handlers fail on many aggregates')));
    await eventually(async () =>
      (await bench.runners(consumer.group)).every(({ circuit }) => circuit !== 'closed'),
    );

    smtp.repair();
    await bench.nothingPending(consumer.group);

    const effects = await bench.effects(consumer.group);
    expect(new Set(effects.map(({ event_id }) => event_id)).size).toBe(events.length);
    expect(effects).toHaveLength(events.length);
    expect(effects.filter(({ attempt }) => attempt > 1).length).toBeLessThan(8);
  });

  it('closes where the last stream of an ordered group is lost to another runner: nothing else could close it', async () => {
    const smtp = createDependency();
    const consumer = bench.consumer(
      {
        ordering: 'aggregate',
        retry: { maxAttempts: 5, backoff: quickly },
        circuitBreaker: { aggregates: 3 },
      },
      () => smtp.call(),
    );
    const events = await bench.publish(...aggregates(4));
    const runner = bench.start(consumer);
    const reported = async () => {
      const [own] = await bench.runners(consumer.group);
      return { circuit: own?.circuit, error: own?.circuit_error };
    };
    await eventually(async () => (await reported()).error === 'Error: connection refused');
    const passOn = (holder: string, until: string) =>
      bench.database.pool.query(
        'update inbox_leases set token = token + 1, holder = $2, expires_at = $3 where consumer_group = $1',
        [consumer.group, holder, until],
      );

    await passOn('another', 'infinity');
    await eventually(async () => (await reported()).circuit === 'closed');
    expect(await reported()).toEqual({ circuit: 'closed', error: null });
    expect(runner.runner.status().streams.map(({ state }) => state)).toEqual(['standby']);
    expect(runner.logs.filter(({ msg }) => msg === 'handlers succeed again')).toEqual([]);

    smtp.repair();
    await passOn('nobody', '-infinity');
    await bench.nothingPending(consumer.group);
    expect(await bench.effects(consumer.group)).toHaveLength(events.length);
  });

  it('can be turned off: every event uses up its attempts', async () => {
    const consumer = bench.consumer(
      { retry: { maxAttempts: 2, backoff: quickly }, circuitBreaker: false },
      () => Promise.reject(new Error('connection refused')),
    );
    const events = await bench.publish(...aggregates(30));
    const runner = bench.start(consumer);

    await eventually(async () => {
      const pending = await bench.pendingOf(consumer.group);
      return pending.length === events.length && pending.every(({ failure }) => failure?.final === true);
    });

    expect(consumer.calls).toHaveLength(2 * events.length);
    expect(runner.logged('handlers fail on many aggregates')).toBe(false);
  });
});

function must<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new RangeError('there is none');
  return value;
}
