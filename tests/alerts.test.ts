import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { userRenamed } from '../packages/contracts/src/index.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import { createTemporaryFolder, eventually, startRedis } from '../packages/testkit/src/index.ts';
import { type ObservedBus, startObservedBus, type Worker } from './observability/bus.ts';
import { alerts, judge, type Scrape } from './observability/promtool.ts';
import { parseMetrics, valueIn } from './observability/scrape.ts';

// One bus, on which one thing after the other goes wrong. The tests run in their order.
const services = ['outbox-publisher', 'consumer-runner', 'dlq-mover', 'bus-monitor'] as const;
type Service = (typeof services)[number];

const folder = createTemporaryFolder('alerts');
const outbox = createOutbox();
const group = 'messaging_consumer_group_name="moody"';
const workers = new Map<Service, Worker>();
const told = new Set<string>();
let bus: ObservedBus;
let well: Scrape;
let worse: Scrape;

beforeAll(async () => {
  bus = await startObservedBus(inject('postgresUrl'));
  await Promise.all(services.map(async (service) => workers.set(service, await bus.start(service))));
});

afterAll(async () => {
  await bus.close();
  await folder.remove();
});

function workerOf(service: Service): Worker {
  const worker = workers.get(service);
  if (worker === undefined) throw new Error(`${service} does not run`);
  return worker;
}

async function append(...names: readonly string[]): Promise<void> {
  await bus.database.db.transaction().execute((trx) =>
    outbox.append(
      trx,
      ...names.map((name, index) =>
        userRenamed({
          aggregateId: `${name.slice(0, 20)}-${index}`,
          tenantId: 'acme',
          actorId: 'ann',
          payload: { name },
        }),
      ),
    ),
  );
}

async function scrape(): Promise<Scrape> {
  return Object.fromEntries(
    await Promise.all(
      services.map(async (service) => [
        service,
        await workerOf(service)
          .metrics()
          .catch(() => null),
      ]),
    ),
  ) as Scrape;
}

/** The metrics of all, once a service tells what is waited for. */
function scrapeOnce(service: Service, isSo: (metrics: string) => boolean): Promise<Scrape> {
  return eventually(
    async () => {
      const found = await scrape();
      return isSo(found[service] ?? '') && found;
    },
    { message: 'a metric to cross its threshold', timeoutMs: 60_000 },
  );
}

/** Whether any sample of this name is above zero. */
function isAbove(text: string, name: string): boolean {
  return parseMetrics(text).some((sample) => sample.name === name && sample.value > 0);
}

function expectFiring(after: Scrape, firing: readonly string[], before = well): void {
  for (const alert of firing) told.add(alert);
  expect(judge(folder.path, { before, after, firing })).toBe('');
}

const query = (text: string, values: readonly unknown[] = []) => bus.database.pool.query(text, [...values]);

test('a bus that is well alerts nobody', async () => {
  await append('Ann');
  await scrapeOnce('consumer-runner', (text) => valueIn(text, 'bus_consumer_delay_count', group) === 1);
  well = await scrapeOnce(
    'bus-monitor',
    (text) => valueIn(text, 'bus_group_runners', group) === 1 && valueIn(text, 'bus_outbox_led') === 1,
  );

  expectFiring(well, []);
});

test('tells of lost events, slow ones, parked ones, dead ones, of what is kept for them, and of failed replays', async () => {
  // Nobody reads it, so nobody has settled it when outbox and stream lose it.
  await query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     values ('letter', 'l', 'letter.sent', 'acme', 'ann', '{}')`,
  );
  await eventually(
    async () => (await query(`select from outbox_batches where stream = 'events:letter'`)).rowCount === 1,
  );
  await query(`delete from outbox_events where aggregate_type = 'letter'`);
  await bus.redis.client().del('events:letter');
  await query(`insert into replays (kind, consumer_group, topic, state, requested_by)
    values ('replay', 'moody', 'user', 'failed', 'ann'), ('replay', 'moody', 'user', 'queued', 'ann')`);
  await query(`do $$ declare day date := (now() at time zone 'UTC')::date - 40; begin
    execute format('create table inbox_events_forgotten partition of inbox_events for values from (%L) to (%L)',
      day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC'); end $$`);
  await append('poison');
  await bus.redis.client().del('events:user');
  await scrapeOnce('outbox-publisher', (text) => isAbove(text, 'bus_publisher_reconciled_total'));
  await query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, occurred_at)
     select 'user', 'slow-' || n, 'user.renamed', 'acme', 'ann', '{"name":"Ann"}', now() - interval '20 seconds'
     from generate_series(1, 5) n`,
  );
  await append('x'.repeat(2_000));
  // It has been parked for longer than the outbox keeps anything.
  await eventually(async () => (await query('select from outbox_parked')).rowCount === 1);
  await query(`do $$ begin
    perform set_config('session_replication_role', 'replica', true);
    update outbox_events set inserted_at = now() - interval '10 days' where aggregate_id like 'xxx%'; end $$`);
  const open = await bus.database.db.startTransaction().execute();
  await outbox.append(
    open,
    userRenamed({ aggregateId: 'open', tenantId: 'acme', actorId: 'ann', payload: { name: 'Ann' } }),
  );
  await append('Bob');
  await eventually(
    async () =>
      (await query(`update outbox_gaps set noted_at = now() - interval '20 minutes'`)).rowCount !== 0,
  );
  await scrapeOnce('consumer-runner', (text) => (valueIn(text, 'bus_consumer_delay_count', group) ?? 0) >= 7);

  await scrapeOnce('outbox-publisher', (text) =>
    ['bus_publisher_unrecoverable_total', 'bus_outbox_prune_blocked'].every((name) => isAbove(text, name)),
  );
  await scrapeOnce('consumer-runner', (text) => isAbove(text, 'bus_inbox_prune_blocked'));
  worse = await scrapeOnce(
    'bus-monitor',
    (text) =>
      valueIn(text, 'bus_dead_letters', group) === 1 &&
      (valueIn(text, 'bus_outbox_parked') ?? 0) > 0 &&
      (valueIn(text, 'bus_outbox_oldest_gap_age_seconds') ?? 0) > 900,
  );
  await open.rollback().execute();
  await query('drop table inbox_events_forgotten');
  await query('delete from replays');

  expectFiring(worse, [
    'BusStreamWentBack warning',
    'BusEventsLost critical',
    'BusPruneBlocked warning',
    'BusReplayFailed warning',
    'BusReplayNotTakenUp warning',
    'BusEventsSlow warning',
    'BusEventsParked warning',
    'BusGapStaysOpen warning',
    'BusDeadLetters warning',
  ]);
});

test('tells of workers that are gone or stuck, of groups that are behind, and of streams that only grow', async () => {
  await scrapeOnce('bus-monitor', (text) => valueIn(text, 'bus_outbox_gaps') === 0);
  await workerOf('dlq-mover').process.stop();
  // As many letters as an outage of something that only some aggregates need would leave.
  await query(`insert into dead_letters select (jsonb_populate_record(d,
      jsonb_build_object('event_id', gen_random_uuid(), 'state', case n when 1 then 'redriving' else 'dead' end))).*
    from dead_letters d, generate_series(1, 150) n`);
  await query('update mood set is_down = true');
  await append(...Array.from({ length: 30 }, (_, n) => `down ${n}`));
  await scrapeOnce('bus-monitor', (text) => valueIn(text, 'bus_group_circuits_open', group) === 1);

  workerOf('outbox-publisher').process.kill('SIGKILL');
  await workerOf('outbox-publisher').process.exited;
  await query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, inserted_at)
     values ('user', 'old', 'user.renamed', 'acme', 'ann', '{"name":"Ann"}', now() - interval '5 minutes')`,
  );
  await query(
    `insert into topics (name, partitions) values ('project', 1), ('odd', 1) on conflict do nothing`,
  );
  await query(`insert into consumer_groups (name, topics, ordering, start_from, paused_at)
    values ('late', '{project}', 'none', 'beginning', null), ('lost', '{project}', 'none', 'beginning', now())`);
  const redis = bus.redis.client();
  await redis.set('events:odd', 'no stream');
  const longAgo = Date.now() - 9 * 86_400_000;
  const pipeline = redis.pipeline();
  for (let n = 1; n <= 1_010; n += 1) pipeline.xadd('events:project', `${longAgo}-${n}`, 'event_id', `${n}`);
  await pipeline.exec();
  await redis.xgroup('CREATE', 'events:project', 'late', '0');
  await redis.xreadgroup('GROUP', 'late', 'gone', 'COUNT', 1, 'STREAMS', 'events:project', '>');
  await redis.xclaim('events:project', 'late', 'gone', 0, `${longAgo}-1`, 'IDLE', 600_000);
  const replica = await startRedis({ config: { replicaof: `127.0.0.1 ${bus.redis.port}` } });
  try {
    await scrapeOnce('bus-monitor', (text) => valueIn(text, 'redis_replication_lag') !== undefined);
    replica.freeze();
    const late = await scrapeOnce('bus-monitor', (text) => (valueIn(text, 'redis_replication_lag') ?? 0) > 5);
    const used = valueIn(late['bus-monitor'] ?? '', 'redis_memory_used_bytes') ?? 0;
    await redis.config('SET', 'maxmemory', String(Math.ceil(used * 1.04)));
    const found = await scrapeOnce(
      'bus-monitor',
      (text) =>
        (valueIn(text, 'redis_memory_usage') ?? 0) > 0.9 &&
        valueIn(text, 'redis_stream_unreadable', 'events:odd') === 1 &&
        valueIn(text, 'bus_outbox_led') === 0 &&
        valueIn(text, 'redis_consumer_lag', 'late') === 1_009,
    );

    expectFiring(
      found,
      [
        'BusServiceDown warning',
        'BusOutboxNotLed critical',
        'BusOutboxBehind critical',
        'BusEventsParked warning',
        'BusGroupBehind warning',
        'BusGroupBehind critical',
        'BusPendingForgotten critical',
        'BusGroupWithoutRunner critical',
        'BusGroupMissing warning',
        'BusCircuitOpen critical',
        'BusGroupPaused info',
        'BusDeadLetters warning',
        'BusDeadLetterFlood critical',
        'BusRedriveStuck warning',
        'BusStreamUnreadable critical',
        'BusRedisMemory warning',
        'BusRedisMemory critical',
        'BusReplicaBehind warning',
        'BusArchiveBehind warning',
        'BusTrimBlocked warning',
      ],
      { ...well, 'consumer-runner': worse['consumer-runner'] ?? null },
    );
  } finally {
    replica.thaw();
    await replica.stop();
  }
});

test('tells of a Redis without a limit, of one that is down, and of a bus that nobody watches', async () => {
  const only = (found: Scrape, pattern: RegExp): Scrape => ({
    'bus-monitor': (found['bus-monitor'] ?? '').replaceAll(/^.*$/gm, (line) =>
      pattern.test(line) ? line : '',
    ),
  });
  const watched = /^(# TYPE )?(redis_memory|bus_monitor)/;
  await bus.redis.client().config('SET', 'maxmemory', '0');
  const unbounded = await scrapeOnce(
    'bus-monitor',
    (text) =>
      valueIn(text, 'redis_memory_usage') === undefined &&
      valueIn(text, 'redis_memory_used_bytes') !== undefined,
  );
  expectFiring(only(unbounded, watched), ['BusRedisMemoryUnbounded warning'], only(well, watched));

  await bus.redis.kill();
  // A look that was under way when it went down may have found some of it.
  const down = await scrapeOnce(
    'bus-monitor',
    (text) =>
      valueIn(text, 'bus_monitor_reachable', 'redis') === 0 &&
      valueIn(text, 'redis_memory_used_bytes') === undefined,
  );
  expectFiring(only(down, watched), ['BusDependencyUnreachable critical'], only(well, watched));

  expectFiring({}, ['BusNotWatched critical'], only(well, watched));
});

test('every alert was provoked', () => {
  const all = alerts.map(({ alert, labels }) => `${alert} ${labels.severity}`);

  expect([...told].toSorted()).toEqual(all.toSorted());
});

test.each(alerts)('$alert has a runbook', ({ alert, annotations }) => {
  const page = annotations.runbook_url.split('/').at(-1) ?? '';

  expect(page).toBe(`${alert.replaceAll(/(?<!^)(?=[A-Z])/g, '-').toLowerCase()}.md`);
  expect(existsSync(join(import.meta.dirname, '..', 'docs', 'runbooks', page))).toBe(true);
});
