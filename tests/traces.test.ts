import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { userRenamed } from '../packages/contracts/src/index.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import { createLogger } from '../packages/telemetry/src/index.ts';
import { startTelemetry } from '../packages/telemetry/src/sdk.ts';
import {
  createTemporaryFolder,
  eventually,
  type OtlpReceiver,
  spawnService,
  startOtlpReceiver,
} from '../packages/testkit/src/index.ts';
import { type ObservedBus, startObservedBus, type Worker } from './observability/bus.ts';

const root = join(import.meta.dirname, '..');
const unsampled = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';
const archive = createTemporaryFolder('archive');
const archiveEnv = { ARCHIVE_URL: `file://${archive.path}` };

let bus: ObservedBus;
let receiver: OtlpReceiver;
let workers: Worker[];

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  bus = await startObservedBus(inject('postgresUrl'), {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    LOG_LEVEL: 'debug',
  });
  workers = await Promise.all(
    ['outbox-publisher', 'consumer-runner', 'dlq-mover'].map((service) => bus.start(service)),
  );
});

afterAll(async () => {
  await bus.close();
  await receiver.close();
  await archive.remove();
});

async function runBus(...args: readonly string[]): Promise<string> {
  const process = await spawnService({
    entry: join(root, 'packages/cli/src/main.ts'),
    args,
    env: {
      DATABASE_URL: bus.database.url,
      REDIS_URL: bus.redis.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      JAEGER_URL: 'http://jaeger',
      ...archiveEnv,
    },
    name: 'bus',
  });
  expect((await process.exited).code, process.output()).toBe(0);
  return process.output();
}

const stateOf = async (eventId: string) => {
  const { rows } = await bus.database.pool.query<{ state: string }>(
    'select state from dead_letters where event_id = $1',
    [eventId],
  );
  return rows[0]?.state;
};

/** Whoever injects a letter first tells of it: the command, or the mover that looks just then, or both. */
const isRedrive = ({ name }: { readonly name: string }) => name.startsWith('redrive');

/** The spans of a trace by name, attempt and parent, as soon as there are so many. */
async function spansOf(traceId: string, count: number) {
  const found = await eventually(() => {
    const spans = receiver.spans().filter((span) => span.traceId === traceId && !isRedrive(span));
    return spans.length >= count && spans;
  });
  return found.map(({ name, parentSpanId, status, attributes, resource }) => ({
    span: name,
    by: resource['service.name'],
    parent: parentSpanId,
    failed: status.code === 'error',
    outcome: attributes['bus.outcome'] as string | undefined,
    attempt: attributes['bus.attempt'],
  }));
}

test('an event that is given up and redriven is one trace, from append to the end, across all processes', async () => {
  const logger = createLogger({ service: 'producer', level: 'warn' });
  const telemetry = await startTelemetry({ service: 'producer', logger, otlpEndpoint: receiver.url });
  const [event] = await bus.database.db
    .transaction()
    .execute((trx) =>
      createOutbox().append(
        trx,
        userRenamed({ aggregateId: 'ann', tenantId: 'acme', actorId: 'ann', payload: { name: 'poison' } }),
      ),
    );
  await telemetry.shutdown();
  const eventId = event?.eventId ?? '';
  await eventually(async () => (await stateOf(eventId)) === 'dead');
  await bus.database.pool.query('update mood set is_cured = true');
  await runBus('dlq', 'redrive', eventId);
  await eventually(async () => (await stateOf(eventId)) === 'done');

  const append = await eventually(() => receiver.spans().find(({ name }) => name === 'append user') ?? false);
  const spans = await spansOf(append.traceId, 7);
  const redrive = await eventually(() => receiver.spans().find(isRedrive) ?? false);
  const expected = (span: string, by: string, more: object = {}) => ({
    span,
    by,
    parent: append.spanId,
    failed: false,
    outcome: undefined,
    attempt: undefined,
    ...more,
  });
  const attempt = (number: number, outcome: string) =>
    expected('process events:user', 'consumer-runner', {
      attempt: number,
      outcome,
      failed: outcome !== 'done',
    });
  expect(spans).toHaveLength(7);
  expect(spans).toEqual(
    expect.arrayContaining([
      expected('append user', 'producer', { parent: '' }),
      expected('publish events:user', 'outbox-publisher'),
      attempt(1, 'retry'),
      attempt(2, 'retry'),
      attempt(3, 'given-up'),
      expected('dead-letter events:user', 'dlq-mover', { attempt: 3, outcome: 'attempts', failed: true }),
      attempt(1, 'done'),
    ]),
  );
  expect(redrive).toMatchObject({
    name: 'redrive events:user',
    traceId: append.traceId,
    parentSpanId: append.spanId,
    attributes: { 'messaging.message.id': eventId, 'messaging.consumer.group.name': 'moody' },
  });

  const shown = await runBus('show', eventId);
  expect(shown).toContain(`http://jaeger/trace/${append.traceId}`);
  expect(shown).toMatch(/^moody +done /m);
  expect(shown).toMatch(/^dead letter of moody: done since .*, redriven 1 time$/m);
  expect(shown).toMatch(/ redrive for moody by /);
});

test('what goes wrong is kept in a trace that is not recorded, and nothing else', async () => {
  await bus.database.pool.query('update mood set is_cured = false');
  const { rows } = await bus.database.pool.query<{ event_id: string }>(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
     values ('user', 'bob', 'user.renamed', 'acme', 'ann', '{"name":"poison"}', $1) returning event_id`,
    [{ traceparent: `00-${unsampled}-${parent}-00` }],
  );
  await eventually(async () => (await stateOf(rows[0]?.event_id ?? '')) === 'dead');

  const spans = await spansOf(unsampled, 4);

  expect(spans.map(({ span, outcome }) => `${span} ${outcome}`).toSorted()).toEqual([
    'dead-letter events:user attempts',
    'process events:user given-up',
    'process events:user retry',
    'process events:user retry',
  ]);
  expect(new Set(spans.map((span) => span.parent))).toEqual(new Set([parent]));
});

test('what is sent together is linked', async () => {
  const trace = (n: number) => `${n}`.padStart(32, 'a');
  await bus.database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
     select 'user', 'cid-' || n, 'user.renamed', 'acme', 'ann', '{"name":"Cid"}',
       jsonb_build_object('traceparent', '00-' || lpad(n::text, 32, 'a') || '-${parent}-01')
     from generate_series(1, 3) n`,
  );

  const [first, ...others] = await eventually(() => {
    const found = [1, 2, 3].map((n) =>
      receiver.spans().find(({ name, traceId }) => name.startsWith('publish') && traceId === trace(n)),
    );
    return found.every((span) => span !== undefined) && found;
  });

  expect(first?.links.map(({ traceId }) => traceId)).toEqual([trace(2), trace(3)]);
  for (const span of others) {
    expect(span.links).toMatchObject([{ traceId: first?.traceId, spanId: first?.spanId }]);
    expect(span.attributes['messaging.batch.message_count']).toBe(3);
  }
});

test('what is archived and replayed is in the traces of its events, where these are recorded', async () => {
  const trace = (n: number) => `${n}`.padStart(32, 'b');
  const { rows } = await bus.database.pool.query<{ event_id: string }>(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
     select 'user', 'dan-' || n, 'user.renamed', 'history', 'ann', '{"name":"Dan"}',
       jsonb_build_object('traceparent', '00-' || lpad(n::text, 32, 'b') || '-${parent}-0' || n % 2)
     from generate_series(1, 3) n returning event_id`,
  );
  const sweeping = { RETENTION: '*.hot=1s,*.cold=1d', ARCHIVE_EVERY: '200ms' };
  await Promise.all([
    bus.start('retention-archiver', { ...archiveEnv, ...sweeping }),
    bus.start('replayer', { ...archiveEnv, REPLAY_POLL: '100ms' }),
  ]);
  const isArchived = ({ name, traceId }: { readonly name: string; readonly traceId: string }) =>
    name === 'archive events:user' && traceId === trace(3);
  await eventually(() => receiver.spans().some(isArchived));
  await runBus('replay', '--group', 'moody', '--topic', 'user', '--tenant', 'history', '--from', '1h');

  const made = ['archive', 'process', 'process', 'publish', 'replay'].map((name) => `${name} events:user`);
  const spansOfBoth = await eventually(() => {
    const found = [1, 3].map((n) => receiver.spans().filter(({ traceId }) => traceId === trace(n)));
    return found.every(({ length }) => length >= made.length) && found;
  });
  const replays = await bus.database.pool.query<{ id: string }>('select id from replays');
  const id = replays.rows[0]?.id;
  for (const [index, spans] of spansOfBoth.entries()) {
    expect(spans.map(({ name }) => name).toSorted()).toEqual(made);
    expect(new Set(spans.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([parent]));
    const eventId = rows[index * 2]?.event_id;
    expect(new Set(spans.map(({ attributes }) => attributes['messaging.message.id']))).toEqual(
      new Set([eventId]),
    );
    const of = (name: string) => spans.filter((span) => span.name.startsWith(name));
    expect(of('archive')).toMatchObject([
      {
        kind: 'consumer',
        resource: { 'service.name': 'retention-archiver' },
        attributes: { 'bus.archive.key': expect.stringMatching(/^stream=.*\.ndjson\.gz$/) as unknown },
      },
    ]);
    expect(of('replay')).toMatchObject([
      {
        kind: 'producer',
        resource: { 'service.name': 'replayer' },
        attributes: {
          'bus.replay.id': id,
          'messaging.consumer.group.name': 'moody',
          'messaging.batch.message_count': 3,
        },
      },
    ]);
    expect(of('process').map(({ attributes }) => attributes['bus.replay.id'] ?? 'live')).toEqual([
      'live',
      id,
    ]);
  }
  const [first, last] = spansOfBoth.map((spans) => spans.find(({ name }) => name.startsWith('replay')));
  expect(first?.links).toMatchObject([{ traceId: trace(3), spanId: parent }]);
  expect(last?.links).toMatchObject([{ traceId: first?.traceId, spanId: first?.spanId }]);
  expect(receiver.spans().filter(({ traceId }) => traceId === trace(2))).toEqual([]);
});

test('logs name the event, the group, the attempt and the trace, and never the payload', async () => {
  const lines = workers.flatMap(({ process }) =>
    process
      .output()
      .split('\n')
      // What a worker is just writing may have come in part.
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
  const of = (message: string) =>
    lines.filter(({ msg, trace_id }) => String(msg).startsWith(message) && trace_id === unsampled);

  expect(of('the event was not handled')).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
  expect(of('dead letter')).toMatchObject([{ group: 'moody', attempts: 3, event_type: 'user.renamed' }]);
  for (const line of of('the event')) {
    expect(line).toMatchObject({
      group: 'moody',
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
    });
  }
  expect(lines.filter((line) => /poison|Cid|Dan/.test(JSON.stringify(line)))).toEqual([]);
});
