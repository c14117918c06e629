import { isLed } from '@event-bus/outbox/log';
import { eventually, type ServiceProcess } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

let bench: Workbench;

beforeEach(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const large = JSON.stringify({ name: 'x'.repeat(3_000) });
const small = { MAX_ENTRY_BYTES: '2000' };

async function isParked(count: number): Promise<true> {
  return eventually(async () => {
    const { rows } = await bench.database.pool.query('select from outbox_parked');
    return rows.length === count ? true : undefined;
  });
}

async function publishedOf(aggregateId: string): Promise<unknown[]> {
  const entries = await bench.transport.observer().range('events:user', '-', '+', 100);
  return entries
    .filter(({ fields }) => fields.aggregate_id === aggregateId)
    .map(({ fields }) => fields.event_id);
}

/** Stops a publisher. The session that holds the lead may outlive it by a moment. */
async function stopLeading(publisher: ServiceProcess): Promise<void> {
  await publisher.stop();
  await eventually(async () => !(await isLed(bench.database.pool)));
}

async function parkTwo(): Promise<string[]> {
  const [first = ''] = await bench.insert(['ann'], large);
  const [second = ''] = await bench.insert(['ann']);
  const [other = ''] = await bench.insert(['bob'], large);
  await bench.insert(['cyd']);
  return [first, second, other];
}

test('the status of an outbox that was never published counts what waits', async () => {
  await bench.insert(['ann', 'bob']);
  const status = await bench.json(['outbox', 'status']);

  expect(status).toMatchObject({
    source: null,
    isLed: false,
    leader: null,
    epoch: 0,
    position: 0,
    lastPosition: 2,
    pending: { count: 2, more: false },
    publishedAtMost: 0,
    parked: { count: 0, more: false },
    gaps: { ranges: 0, positions: 0, oldestAt: null },
  });
});

test('the status says who leads, what is published, parked and still open', async () => {
  const publisher = await bench.publisher(small);
  await parkTwo();
  const open = await bench.database.pool.connect();
  await open.query('begin');
  await open.query(`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'late', 'user.renamed', 'acme', 'alice', '{}' from generate_series(1, 3)`);
  await bench.insert(['dan']);
  const status = await eventually(async () => {
    const found = (await bench.json(['outbox', 'status'])) as Record<string, unknown>;
    return found.position === 8 ? found : undefined;
  });
  const { output } = await bench.bus('outbox', 'status');
  await open.query('rollback');
  open.release();

  expect(status).toMatchObject({
    source: 'billing',
    isLed: true,
    epoch: 1,
    lastPosition: 8,
    pending: { count: 0 },
    oldestPendingAt: null,
    publishedAtMost: 2,
    parked: { count: 3, more: false },
    parkedAggregates: 2,
    gaps: { ranges: 1, positions: 3 },
  });
  expect(output).toMatch(/^leader {5}outbox-publisher-\S+, for \d+/m);
  expect(output).toMatch(/^parked {5}3 on 2 aggregates: `bus outbox parked` says why$/m);
  expect(output).toMatch(/^open gaps {2}1 with 3 positions, the oldest for \d+/m);

  await stopLeading(publisher);
  const after = await bench.bus('outbox', 'status');
  expect(after.output).toMatch(/^leader {5}nobody; outbox-publisher-\S+ was the last$/m);
});

test('parked lists what cannot be written with its reason, and what waits behind it', async () => {
  expect((await bench.bus('outbox', 'parked')).output).toBe('Nothing is parked.\n');
  await bench.publisher(small);
  const [first, second, other] = await parkTwo();
  await isParked(3);
  const parked = (await bench.json(['outbox', 'parked'])) as Record<string, unknown>[];
  const { output } = await bench.bus('outbox', 'parked', '--limit', '1');

  expect(parked).toMatchObject([
    {
      eventId: first,
      eventType: 'user.renamed',
      aggregateId: 'ann',
      tenantId: 'acme',
      waiting: 1,
      waitingEventIds: [second],
      retryRequestedAt: null,
    },
    { eventId: other, aggregateId: 'bob', waiting: 0, waitingEventIds: [] },
  ]);
  expect(parked[0]?.reason).toMatch(/too large: the entry has \d+ bytes/);
  expect(output.split('\n')[1]).toMatch(
    new RegExp(`^${first} +user\\.renamed +user/ann +\\S+.* ago +1 +- +too large: .*MAX_ENTRY_BYTES`),
  );
  expect(output).not.toContain(String(other));
});

test('retry brings back the whole aggregate of an event, in order, and leaves the others parked', async () => {
  const publisher = await bench.publisher(small);
  const [first = '', second = '', other = ''] = await parkTwo();
  await isParked(3);
  await publisher.stop();
  await bench.publisher({ MAX_ENTRY_BYTES: '20000' });
  // The one that waits names the aggregate as well as the one it waits for.
  const { status, output } = await bench.bus('outbox', 'retry', second, '--timeout', '30s');

  expect(output).toBe('2 of 2 parked events published.\n');
  expect(status).toBe(0);
  expect(await publishedOf('ann')).toEqual([first, second]);
  expect(await bench.json(['outbox', 'parked'])).toMatchObject([{ eventId: other }]);

  const all = await bench.bus('outbox', 'retry', '--all', '--timeout', '30s');
  expect(all).toEqual({ status: 0, output: '1 of 1 parked event published.\n' });
  const nothing = await bench.bus('outbox', 'retry', '--all');
  expect(nothing).toEqual({ status: 0, output: 'Nothing is parked.\n' });
  expect(await bench.json(['history', '--event', second])).toMatchObject([{ action: 'retry', events: 2 }]);
});

test('retry says why when the event is parked again', async () => {
  await bench.publisher(small);
  const [first = ''] = await parkTwo();
  await isParked(3);
  const { status, output } = await bench.bus('outbox', 'retry', first, '--timeout', '30s');

  expect(output).toMatch(
    /^0 of 2 parked events published\.\n2 events parked again: too large: the entry has/,
  );
  expect(status).toBe(1);
});

test('retry forgets what has left the log, says so, and brings back what waited behind it', async () => {
  const publisher = await bench.publisher(small);
  const [first, second, other] = await parkTwo();
  await isParked(3);
  await publisher.stop();
  await bench.database.pool.query('delete from outbox_events where event_id in ($1, $2)', [first, other]);
  await bench.publisher({ MAX_ENTRY_BYTES: '20000' });
  const { status, output } = await bench.bus('outbox', 'retry', '--all', '--timeout', '30s');

  expect(output).toBe(
    '1 of 3 parked events published.\n2 events forgotten: the outbox does not hold them any more.\n',
  );
  expect(status).toBe(1);
  expect(await publishedOf('ann')).toEqual([second]);
  expect((await bench.bus('outbox', 'parked')).output).toBe('Nothing is parked.\n');
});

test('retry says when nobody publishes, and the request stands', async () => {
  const publisher = await bench.publisher(small);
  const [first = ''] = await parkTwo();
  await isParked(3);
  await stopLeading(publisher);
  const { status, output } = await bench.bus('outbox', 'retry', first, '--timeout', '200ms');
  expect(output).toMatch(/2 events not tried, because no publisher leads: the request stands until one does/);
  expect(status).toBe(1);
  expect((await bench.bus('outbox', 'parked')).output).toMatch(/ requested +too large/);

  await bench.publisher({ MAX_ENTRY_BYTES: '20000' });
  await isParked(1);
});

test('retry of an event that is not parked, or not there, is an error that says so, and leaves no record', async () => {
  const [id = ''] = await bench.insert(['ann']);
  expect(await bench.bus('outbox', 'retry', '--all')).toEqual({ status: 0, output: 'Nothing is parked.\n' });
  const pending = await bench.bus('outbox', 'retry', id);
  const unknown = await bench.bus('outbox', 'retry', '018f0000-0000-7000-8000-0000000000ff');

  expect(pending).toEqual({
    status: 1,
    output: `event ${id} is pending, not parked: there is nothing to retry\n`,
  });
  expect(unknown.status).toBe(1);
  expect(unknown.output).toMatch(/^event 018f0000-\S+ is not in this outbox: `bus outbox parked` lists/);
  expect(await bench.json(['history'])).toEqual([]);
});
