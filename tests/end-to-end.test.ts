import { afterEach, expect, inject, test } from 'vitest';
import { userCreated, userRenamed } from '../packages/contracts/src/index.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import { createLogger } from '../packages/telemetry/src/index.ts';
import { startTelemetry } from '../packages/telemetry/src/sdk.ts';
import { eventually, startOtlpReceiver } from '../packages/testkit/src/index.ts';
import { type RunningBus, startBus } from './end-to-end/bus.ts';

const outbox = createOutbox();
const releases: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningBus> {
  const bus = await startBus(inject('postgresUrl'), env);
  releases.push(() => bus.close());
  return bus;
}

async function startReceiver() {
  const receiver = await startOtlpReceiver();
  releases.push(() => receiver.close());
  return receiver;
}

const facts = (aggregateId: string) => ({ aggregateId, tenantId: 'acme', actorId: 'admin' });
const signUp = (id: string) =>
  userCreated({ ...facts(id), payload: { name: id, email: `${id}@example.com` } });
const rename = (id: string, name: string) => userRenamed({ ...facts(id), payload: { name } });

const untilHandled = (bus: RunningBus, versions: Readonly<Record<string, number>>) =>
  eventually(async () => {
    const found = (await bus.directory()).map(({ user_id, version }) => [user_id, version]);
    expect(Object.fromEntries(found)).toEqual(versions);
    expect(await bus.mailed()).toHaveLength(Object.keys(versions).length);
    return true;
  });

test('what a transaction commits is handled once by every group, and what is rolled back by none', async () => {
  const bus = await start();
  const { db } = bus.database;

  await db.transaction().execute((trx) => outbox.append(trx, signUp('ann'), rename('ann', 'Ann B')));
  const doomed = await db.startTransaction().execute();
  await outbox.append(doomed, signUp('zoe'));
  await doomed.rollback().execute();
  await bus.database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
     values ('user', 'bob', 'user.created', 'acme', 'admin', '{"email": "bob@example.com"}')`,
  );
  await db.transaction().execute((trx) => outbox.append(trx, rename('ann', 'Ann C')));

  await untilHandled(bus, { ann: 3, bob: 1 });
  // Whatever is still on its way gets there before a worker that is told to stop has ended.
  await bus.stopWorkers();
  expect((await bus.mailed()).toSorted()).toEqual(['ann@example.com', 'bob@example.com']);
  expect(await bus.directory()).toEqual([
    { user_id: 'ann', name: 'Ann C', version: 3 },
    { user_id: 'bob', name: 'bob', version: 1 },
  ]);
});

test('append, publish and process of an event are one trace across the processes', async () => {
  const receiver = await startReceiver();
  const bus = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: '100' });
  const telemetry = await startTelemetry({
    service: 'producer',
    logger: createLogger({ service: 'producer', level: 'silent' }),
    otlpEndpoint: receiver.url,
  });

  const [first] = await bus.database.db.transaction().execute((trx) => outbox.append(trx, signUp('ann')));
  const [second] = await bus.database.db.transaction().execute((trx) => outbox.append(trx, signUp('bob')));
  await untilHandled(bus, { ann: 1, bob: 1 });
  await telemetry.shutdown();
  // Spans that are not sent yet when a worker ends are given a few seconds, and then up.
  await eventually(() => receiver.spans().length >= 8);
  await bus.stopWorkers();

  for (const event of [first, second]) {
    const spans = receiver
      .spans()
      .filter(({ attributes }) => attributes['messaging.message.id'] === event?.eventId);
    const append = spans.find(({ name }) => name === 'append user');
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([append?.traceId]));
    expect(
      spans.map(({ name, kind, resource, attributes }) => ({
        name,
        kind,
        service: resource['service.name'],
        group: attributes['messaging.consumer.group.name'],
      })),
    ).toEqual(
      expect.arrayContaining([
        { name: 'append user', kind: 'producer', service: 'producer', group: undefined },
        { name: 'publish events:user', kind: 'producer', service: 'outbox-publisher', group: undefined },
        { name: 'process events:user', kind: 'consumer', service: 'consumer-runner', group: 'welcome-email' },
        {
          name: 'process events:user',
          kind: 'consumer',
          service: 'consumer-runner',
          group: 'user-directory',
        },
      ]),
    );
    expect(spans).toHaveLength(4);
    const others = spans.filter((span) => span !== append);
    expect(others.map(({ parentSpanId }) => parentSpanId)).toEqual(others.map(() => append?.spanId));
  }
  const traces = new Set(receiver.spans().map(({ traceId }) => traceId));
  expect(traces.size).toBe(2);
});

test('without an endpoint no span is sent, not even for an event that comes with a trace', async () => {
  const receiver = await startReceiver();
  // Variables of the SDK by themselves, which would lead it to the receiver if it were started.
  const bus = await start({
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
  });

  await bus.database.pool.query(
    `insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload, headers)
     values ('user', 'ann', 'user.created', 'acme', 'admin', '{"email": "ann@example.com"}', $1)`,
    [{ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }],
  );
  await untilHandled(bus, { ann: 1 });
  await bus.stopWorkers();

  expect(receiver.spans()).toEqual([]);
});
