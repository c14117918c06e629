import { eventually, startProxy } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, sound } from './testing.ts';

// All together take the link twice as long as the bench waits for a reply, and are more than sockets buffer.
const link = { bytesPerSecond: 10_000_000 } as const;
const events = { count: 80, bytes: 250_000 } as const;
const small = { pageBytes: 1_000_000, sweepMs: 60_000 } as const;

let bench: Bench;
let proxy: Awaited<ReturnType<typeof startProxy>>;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'), {}, 1_000);
  proxy = await startProxy(bench.redis.port);
});

afterEach(async () => {
  await bench.close();
  await proxy.close();
});

const start = (settings: Parameters<Bench['start']>[0] = {}) =>
  bench.start({ ...small, ...settings }, `redis://127.0.0.1:${proxy.port}`);

const produce = () =>
  sql`
  insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
  select 'user', 'agg-' || n % 7, 'test.happened', 'acme', 'alice', to_json(repeat('x', ${events.bytes}::int))
  from generate_series(1, ${events.count}::int) n`.execute(bench.db);

/** Entries are read when all are there: whoever reads megabytes over and over keeps the link waiting, too. */
async function isWhole(): Promise<void> {
  const client = bench.redis.client();
  await eventually(async () => (await client.xlen('events:user')) >= events.count, {
    intervalMs: 100,
  });
  client.disconnect();
  await eventually(
    async () => {
      expect(await audit(bench)).toMatchObject(sound);
      return true;
    },
    { intervalMs: 500 },
  );
}

/** As a publisher with other settings would have recorded them. */
async function recordAsOneBatch(): Promise<void> {
  await sql`delete from outbox_batches where number < (select max(number) from outbox_batches)`.execute(
    bench.db,
  );
  await sql`update outbox_batches set events = ${events.count},
    positions = int8multirange(int8range(1, ${events.count}, '[]'))`.execute(bench.db);
}

test('a backlog of large payloads passes a slow link in pages that it carries in time', async () => {
  await produce();
  proxy.slow(link.bytesPerSecond);
  start();

  await isWhole();
  expect((await audit(bench)).repeated).toEqual([]);
});

test('what a stream lost is written again over a slow link', async () => {
  await produce();
  const before = start();
  await isWhole();
  await before.stop();
  await recordAsOneBatch();
  const client = bench.redis.client();
  await client.flushall();
  client.disconnect();
  proxy.slow(link.bytesPerSecond);
  start();

  await isWhole();
});

test('what was parked is brought back over a slow link', async () => {
  const before = start({ maxEntryBytes: 2_000 });
  await produce();
  const parked = () => bench.db.selectFrom('outbox_parked').select('position').execute();
  await eventually(async () => (await parked()).length === events.count);
  await before.stop();
  proxy.slow(link.bytesPerSecond);
  start();
  await bench.db.updateTable('outbox_parked').set({ retry_requested_at: new Date() }).execute();

  await isWhole();
  expect((await audit(bench)).repeated).toEqual([]);
});
