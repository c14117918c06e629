import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

let bench: Workbench;

beforeEach(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
});

afterEach(() => bench.close());

async function published(): Promise<string[]> {
  const entries = await bench.transport.observer().range('events:user', '-', '+', 1_000);
  return entries.map(({ fields }) => fields.event_id ?? '');
}

async function publish(aggregateIds: readonly string[]): Promise<string[]> {
  const ids = await bench.insert(aggregateIds);
  await eventually(async () => {
    const { rows } = await bench.database.pool.query(`select from outbox_status where status <> 'published'`);
    return rows.length === 0;
  });
  return ids;
}

async function wipe(): Promise<void> {
  await bench.redis.client().flushall();
}

test('an outbox that never wrote to a stream is whole', async () => {
  expect(await bench.bus('reconcile')).toEqual({
    status: 0,
    output: 'This outbox has written to no stream yet.\n',
  });
});

test('says that all is there, and changes nothing', async () => {
  const publisher = await bench.publisher();
  const ids = await publish(['ann', 'bob']);
  await publisher.stop();
  const { status, output } = await bench.bus('reconcile');

  expect(output).toMatch(
    /^STREAM +STATE +LOST BATCHES +LOST EVENTS\nevents:user +whole +0 +0\nAll is there\.\n$/,
  );
  expect(status).toBe(0);
  expect(await published()).toEqual(ids);
  expect(await bench.json(['outbox', 'status'])).toMatchObject({ epoch: 1 });
});

test('the dry run says what is missing, ends with 1, and writes nothing', async () => {
  const publisher = await bench.publisher();
  await publish(['ann', 'bob']);
  await publish(['cyd']);
  await publisher.stop();
  await wipe();
  const people = await bench.bus('reconcile', '--dry-run');
  const scripts = await bench.json(['reconcile', '--dry-run'], 1);

  expect(people.status).toBe(1);
  expect(people.output).toMatch(/^events:user +lost events +2 +3\n1 stream went back in time\./m);
  expect(scripts).toEqual([{ stream: 'events:user', intact: false, lostBatches: 2, lostEvents: 3 }]);
  expect(await published()).toEqual([]);
});

test('has the publisher that leads write again what is missing', async () => {
  await bench.publisher();
  const ids = await publish(['ann', 'bob', 'ann']);
  await wipe();
  const { status, output } = await bench.bus('reconcile');

  expect(output).toMatch(
    /^events:user +lost events +\d+ +3\nWritten again by the publisher that leads\. All is there\.\n/m,
  );
  expect(status).toBe(0);
  expect(await published()).toEqual(ids);
  expect(await bench.json(['outbox', 'status'])).toMatchObject({ epoch: 1, isLed: true });
});

test('mends by itself when nobody leads, and lets go of the lead', async () => {
  const publisher = await bench.publisher();
  const ids = await publish(['ann', 'bob', 'ann']);
  await publisher.stop();
  await wipe();
  const { status, output } = await bench.bus('reconcile');

  expect(output).toMatch(/Written again by this command, since no publisher leads\. All is there\.\n$/);
  expect(status).toBe(0);
  expect(await published()).toEqual(ids);
  expect(await bench.json(['outbox', 'status'])).toMatchObject({ epoch: 2, isLed: false });

  await bench.publisher();
  const later = await publish(['ann']);
  expect(await published()).toEqual([...ids, ...later]);
});

test('writes only what is missing when the beginning of a stream stands', async () => {
  const publisher = await bench.publisher();
  const kept = await publish(['ann', 'bob']);
  const lost = await publish(['cyd', 'dan']);
  await publisher.stop();
  const client = bench.redis.client();
  const entries = await bench.transport.observer().range('events:user', '-', '+', 100);
  await client.xdel('events:user', ...entries.slice(2).map(({ id }) => id));
  const report = (await bench.json(['reconcile'])) as Record<string, unknown>;

  expect(report).toMatchObject({
    before: [{ stream: 'events:user', intact: false, lostBatches: 1, lostEvents: 2 }],
    after: [{ intact: true, lostEvents: 0 }],
    mendedBy: 'this call',
    unrecoverableBatches: 0,
    olderThanLog: [],
  });
  expect(await published()).toEqual([...kept, ...lost]);
  expect(await bench.json(['history'])).toMatchObject([{ action: 'reconcile', events: 2 }]);
});

test('says that Redis is older than what the outbox keeps, and ends with 1', async () => {
  const publisher = await bench.publisher();
  for (const aggregate of ['ann', 'bob', 'cyd']) await publish([aggregate]);
  await publisher.stop();
  await bench.database.pool.query('delete from outbox_events where position <= 2');
  await bench.database.pool.query('delete from outbox_batches where number <= 2');
  const client = bench.redis.client();
  const [first, ...rest] = await bench.transport.observer().range('events:user', '-', '+', 100);
  await client.xdel('events:user', ...rest.map(({ id }) => id));
  await client.hset('{events:user}:writers', 'billing', `${first?.id} ${first?.fields.event_id}`);
  const { status, output } = await bench.bus('reconcile');

  expect(output).toContain('All is there.');
  expect(output).toContain(
    'events:user ended with an event that left the outbox long ago: Redis was restored from a backup older than OUTBOX_KEEP.',
  );
  expect(status).toBe(1);
});

test('gives up when nothing changes, says what is still missing, and ends with 1', async () => {
  const publisher = await bench.publisher({ LEADER_SESSION_TIMEOUT: '1h' });
  await publish(['ann']);
  await wipe();
  // It holds the lead and hears nothing, for less than the session time-out, however slow the command is.
  publisher.kill('SIGSTOP');
  const { status, output } = await bench.bus('reconcile', '--timeout', '500ms');
  publisher.kill('SIGCONT');

  expect(output).toMatch(/Still missing:\nSTREAM .*\nevents:user +lost events +1 +1\n$/);
  expect(status).toBe(1);
});
