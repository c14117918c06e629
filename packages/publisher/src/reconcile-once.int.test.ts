import { createTestDatabase } from '@event-bus/database/testing';
import { eventually } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { type ReconcileOnceOptions, reconcileOnce } from './reconcile-once.ts';
import { audit, type Bench, createBench, sound } from './testing.ts';

let bench: Bench;
let options: ReconcileOnceOptions;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  options = {
    pool: bench.database.pool,
    directUrl: bench.database.url,
    busDatabase: bench.db,
    transport: createRedisTransport({ url: bench.redis.url, commandTimeoutMs: 30_000 }),
    source: 'bench',
    name: 'by-hand',
    waitForLeadMs: 30_000,
    signal: new AbortController().signal,
  };
});

afterEach(async () => {
  await options.transport.close();
  await bench.close();
});

async function publish(count: number): Promise<string[]> {
  const publisher = bench.start();
  const ids = await bench.insert(Array.from({ length: count }, (_, n) => `a-${n % 7}`));
  await eventually(async () => (await audit(bench)).unpublished.length === 0);
  await publisher.stop();
  return ids;
}

async function wipe(): Promise<void> {
  const client = bench.redis.client();
  await client.flushall();
  client.disconnect();
}

const cursor = () => bench.db.selectFrom('outbox_cursor').selectAll().executeTakeFirstOrThrow();

test('writes again what is missing in an epoch of its own, and lets go of the lead', async () => {
  const ids = await publish(1_200);
  await wipe();
  const report = await reconcileOnce(options);

  expect(report).toEqual({
    epoch: 2,
    rewritten: new Map([['events:user', 1_200]]),
    unrecoverable: [],
    olderThanLog: [],
    unknownMarks: [],
  });
  expect((await bench.entries('events:user')).map(({ eventId }) => eventId)).toEqual(ids);
  expect(await audit(bench)).toMatchObject({ ...sound, repeated: [] });
  expect(await cursor()).toMatchObject({ epoch: '2', leader: 'by-hand' });
  bench.start();
  await bench.insert(['a-0']);
  await eventually(async () => (await bench.entries('events:user')).length === 1_201);
});

test('publishes nothing that was not published before', async () => {
  await publish(3);
  await bench.insert(['later']);
  await wipe();
  await reconcileOnce(options);

  expect(await bench.entries('events:user')).toHaveLength(3);
  expect((await cursor()).position).toBe('3');
});

test('does nothing while somebody else leads', async () => {
  await publish(3);
  bench.start({ sweepMs: 3_600_000 });
  await eventually(async () => (await cursor()).epoch === '2');
  // Once it publishes, its first sweep is over, and there is no other.
  await bench.insert(['a-1']);
  await eventually(async () => (await bench.entries('events:user')).length === 4);
  await wipe();
  const report = await reconcileOnce({ ...options, waitForLeadMs: 500 });

  expect(report).toBeUndefined();
  expect(await bench.entries('events:user')).toEqual([]);
  expect(await cursor()).toMatchObject({ epoch: '2' });
});

test('an outbox of another name is refused', async () => {
  await publish(1);
  await wipe();

  await expect(reconcileOnce({ ...options, source: 'other' })).rejects.toThrow(/OUTBOX_SOURCE=bench/);
});

test('a direct connection to another outbox is refused, whoever leads that one', async () => {
  const other = await createTestDatabase(inject('postgresUrl'));
  await publish(1);
  await wipe();

  await expect(reconcileOnce({ ...options, directUrl: other.url })).rejects.toMatchObject({
    code: 'config_invalid',
  });
  expect(await bench.entries('events:user')).toEqual([]);
  await other.close();
});

test('when Redis is away it goes on until it is told to stop, and says what stood in the way', async () => {
  await publish(1);
  await bench.redis.kill();
  const impatient = createRedisTransport({ url: bench.redis.url, commandTimeoutMs: 100 });
  const stop = new AbortController();
  let failed = 0;
  const writer = () => {
    const real = impatient.writer();
    const inspect: typeof real.inspect = (...asked) =>
      real.inspect(...asked).catch((error: unknown) => {
        failed += 1;
        // Not before it has heard of this one.
        if (failed === 3) setImmediate(() => stop.abort());
        throw error;
      });
    return { ...real, inspect };
  };
  const transport = { ...impatient, writer };

  await expect(reconcileOnce({ ...options, transport, signal: stop.signal })).rejects.toMatchObject({
    code: 'reconcile_interrupted',
    message: expect.stringMatching(/last obstacle: .*no connection/) as string,
  });
  expect(failed).toBe(3);
  await impatient.close();
});
