import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { userRenamed } from '../packages/contracts/src/index.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import { eventually, type RedisServer, startRedis } from '../packages/testkit/src/index.ts';
import { dashboards } from '../scripts/dashboards/index.ts';
import { type ObservedBus, startObservedBus, type Worker } from './observability/bus.ts';
import { alerts } from './observability/promtool.ts';
import { labelNames, parseMetrics, valueIn } from './observability/scrape.ts';

interface Grafana {
  readonly title: string;
  readonly templating: { readonly list: { readonly query: { readonly query: string } }[] };
  readonly panels: { readonly title: string; readonly targets: { readonly expr: string }[] }[];
}

/** What a query asks for. */
interface Asked {
  readonly metrics: readonly string[];
  /** Of selectors and of groupings. */
  readonly labels: readonly string[];
}

// What Prometheus adds to each sample, and histograms to their buckets.
const ofPrometheus = ['job', 'instance', 'service', 'le'];

let bus: ObservedBus;
let replica: RedisServer;
const known = new Map<string, Set<string>>([['up', new Set(ofPrometheus)]]);

beforeAll(async () => {
  bus = await startObservedBus(inject('postgresUrl'), { PUBLISH_SWEEP: '1h', RECLAIM_EVERY: '200ms' });
  replica = await startRedis({ config: { replicaof: `127.0.0.1 ${bus.redis.port}` } });
  const [publisher, runner, mover, monitor] = await Promise.all(
    ['outbox-publisher', 'consumer-runner', 'dlq-mover', 'bus-monitor'].map((service) => bus.start(service)),
  );
  const append = (...names: string[]) =>
    bus.database.db
      .transaction()
      .execute((trx) =>
        createOutbox().append(
          trx,
          ...names.map((name) =>
            userRenamed({ aggregateId: name, tenantId: 'acme', actorId: 'ann', payload: { name } }),
          ),
        ),
      );
  const happened = async (worker: Worker | undefined, name: string) =>
    eventually(async () => valueIn((await worker?.metrics()) ?? '', name) !== undefined, { message: name });

  // Whatever is counted has to have happened. An event dies; a stream is lost, refuses a batch, and is written again.
  await append('Ann', 'poison');
  await happened(mover, 'bus_dead_letters_moved_total');
  const redis = bus.redis.client();
  await redis.del('events:user');
  await append('Bob');
  await happened(publisher, 'bus_publisher_reconciled_total');
  await happened(publisher, 'bus_publisher_refused_batches_total');
  await happened(publisher, 'bus_outbox_prune_blocked');
  await happened(runner, 'bus_inbox_prune_blocked');
  // A runner that is gone had an entry in hand which another had handled.
  const [id = ''] = (await redis.xrange('events:user', '-', '+', 'COUNT', 1)).map(([entry]) => entry);
  await eventually(async () => {
    await redis.xclaim('events:user', 'moody', 'gone', 0, id, 'FORCE', 'IDLE', 60_000);
    const metrics = (await runner?.metrics()) ?? '';
    return ['claimed', 'duplicates'].every(
      (what) => valueIn(metrics, `bus_consumer_${what}_total`) !== undefined,
    );
  });
  await happened(monitor, 'redis_replication_lag');
  for (const worker of [publisher, runner, mover, monitor]) {
    for (const sample of parseMetrics((await worker?.metrics()) ?? '')) {
      known.set(sample.name, new Set([...(known.get(sample.name) ?? ofPrometheus), ...labelNames(sample)]));
    }
  }
});

afterAll(async () => {
  await replica.stop();
  await bus.close();
});

/** The metrics and labels that a query names. Throws where it cannot be read. */
function read(expr: string): Asked {
  // Grafana's own; Prometheus never sees them.
  const text = expr.replaceAll('$__rate_interval', '5m');
  const metrics: string[] = [];
  const labels: string[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      const found = text.slice(from, to);
      if (type.isError) throw new SyntaxError(`${expr}: cannot be read at ${from}`);
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') metrics.push(found);
      if (type.name === 'LabelName') labels.push(found);
    },
  });
  return { metrics, labels };
}

/** What a query names and no service has. */
function missing(expr: string): string[] {
  const { metrics, labels } = read(expr);
  if (metrics.length === 0) return [`${expr} names no metric`];
  return [
    ...metrics.filter((name) => !known.has(name)),
    ...labels.filter((label) => !metrics.some((name) => known.get(name)?.has(label) ?? false)),
  ];
}

const files = [...dashboards].map(([file, dashboard]) => ({ file, dashboard: dashboard as Grafana }));

test('a query is read as Prometheus reads it', () => {
  expect(read('sum by (le, pool) (rate(a_bucket{x="1", y=~"z"}[$__rate_interval])) / on (v) b')).toEqual({
    metrics: ['a_bucket', 'b'],
    labels: ['le', 'pool', 'x', 'y', 'v'],
  });
  expect(() => read('sum by (')).toThrow(SyntaxError);
  expect(missing('nothing{le="1"}')).toEqual(['nothing', 'le']);
});

test.each(files)('$file is what `npm run dashboards` writes', ({ file, dashboard }) => {
  const written = readFileSync(join(import.meta.dirname, '..', 'infra/grafana/dashboards', file), 'utf8');

  expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(dashboard)));
});

test.each(files)('every query of $file names metrics and labels that the services have', ({ dashboard }) => {
  const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

  expect(queries.length).toBeGreaterThan(5);
  expect(queries.flatMap(missing)).toEqual([]);
});

test.each(files)('the variables of $file are labels of metrics', ({ dashboard }) => {
  for (const { query } of dashboard.templating.list) {
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query.query) ?? [];
    expect(known.get(metric) ?? new Set(), query.query).toContain(label);
  }
});

test.each(alerts)('$alert asks for metrics and labels that the services have', ({ expr }) => {
  expect(missing(expr)).toEqual([]);
});
