import { eventually, startProxy } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, type RunningPublisher, sound } from './testing.ts';

const stream = 'events:user';
const small = { pageSize: 5, sweepMs: 50 } as const;

let bench: Bench;
let proxy: Awaited<ReturnType<typeof startProxy>>;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  proxy = await startProxy(bench.redis.port);
});

afterEach(async () => {
  await bench.close();
  await proxy.close();
});

const start = () => bench.start(small, `redis://127.0.0.1:${proxy.port}`);

const redis = async (...command: readonly [string, ...string[]]): Promise<unknown> => {
  const client = bench.redis.client();
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
};

const endLead = () =>
  sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'bench-publisher-%'`.execute(bench.db);

async function produce(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await bench.insert([0, 1, 2].map((n) => `agg-${(round * 2 + n) % 7}`));
  }
}

const isWhole = () =>
  eventually(async () => {
    expect(await audit(bench)).toMatchObject(sound);
    return true;
  });

const warnings = (text: string) => bench.logs.filter((line) => String(line.msg).includes(text)).length;

/** Matches the k-th request from now on that carries events. */
function append(k: number): (request: string) => boolean {
  let seen = 0;
  return (request) => {
    if (request.includes('test.happened')) seen += 1;
    return seen === k;
  };
}

/** Some batches of five events, recorded. */
async function publishSome(): Promise<RunningPublisher> {
  await produce(10);
  const publisher = start();
  await isWhole();
  return publisher;
}

const interruptions: Readonly<Record<string, () => Promise<void>>> = {
  'goes on by itself': async () => undefined,
  'is continued by the next leader': async () => void (await endLead()),
  'begins again when Redis is flushed again': async () => void (await redis('FLUSHALL')),
  'begins again when the newest entries are lost again': async () => {
    const entries = await bench.entries(stream);
    await redis('XDEL', stream, ...entries.slice(-3).map((entry) => entry.id), '0-1');
  },
};

describe.each(Object.entries(interruptions))('a reconcile that loses a reply %s', (_, interrupt) => {
  test.each([1, 2, 4, 6])('at its append number %i', async (k) => {
    await publishSome();
    const cut = proxy.swallowReply(append(k));
    await redis('FLUSHALL');
    await cut;
    await interrupt();

    await isWhole();
    await bench.insert(['agg-0', 'agg-1']);
    await isWhole();
    expect(await bench.entries(stream)).toSatisfy((entries: unknown[]) => entries.length <= 32 + 30);
  });
});

test('a reconcile is not taken for finished when it is refused midway, and what follows waits behind it', async () => {
  await publishSome();
  const client = bench.redis.client();
  let flushed = false;
  const cut = proxy.swallowReply((request) => {
    if (!request.includes('test.happened') || flushed) return false;
    flushed = true;
    return true;
  });
  await client.flushall();
  const meanwhile = produce(20);
  await cut;
  await client.flushall();
  client.disconnect();
  await meanwhile;

  await isWhole();
});

test('a batch of which an earlier copy survived the loss is noticed once, and stands where its record says', async () => {
  const first = start();
  await produce(4);
  await isWhole();
  await first.stop();
  // A predecessor had written the last three events, and died before it recorded them: they were repeated.
  const entries = await bench.entries(stream);
  const client = bench.redis.client();
  const raw = (await client.call('XRANGE', stream, '-', '+')) as [string, string[]][];
  const last = entries.slice(-3).map((entry) => entry.eventId);
  const again: string[] = [];
  for (const [, fields] of raw.slice(-3))
    again.push(String(await client.call('XADD', stream, '*', ...fields)));
  await sql`update outbox_batches set last_id = ${again.at(-1)} where last_event_id = ${last.at(-1)}`.execute(
    bench.db,
  );
  await client.call('XDEL', stream, ...again);
  client.disconnect();
  start();

  await isWhole();
  await bench.insert(['agg-0']);
  await isWhole();
  expect(warnings('went back in time')).toBe(1);
});

describe('what the log no longer has', () => {
  const forget = (below: number) =>
    sql`delete from outbox_events where position <= ${below}`.execute(bench.db);

  test('is reported once as lost for good, and the rest comes back', async () => {
    await publishSome();
    await forget(20);
    await redis('FLUSHALL');

    await isWhole();
    await bench.insert(['agg-0']);
    await isWhole();
    expect((await bench.entries(stream)).map((entry) => entry.position)).toEqual([
      ...Array.from({ length: 10 }, (_, n) => 21 + n),
      31,
    ]);
    expect(warnings('the outbox no longer has')).toBe(4);
  });

  test('is reported once, also if nothing is left', async () => {
    await publishSome();
    await forget(30);
    await redis('FLUSHALL');
    await eventually(() => warnings('the outbox no longer has') === 6);
    await bench.insert(['agg-0']);
    await isWhole();

    expect(await bench.entries(stream)).toHaveLength(1);
    expect(warnings('went back in time')).toBe(1);
  });

  test('is written again once if the last event of a batch is gone and others are left', async () => {
    await publishSome();
    await sql`delete from outbox_events where position = 30`.execute(bench.db);
    await redis('FLUSHALL');
    await isWhole();
    await bench.insert(['agg-0']);
    await isWhole();

    expect((await audit(bench)).repeated).toEqual([]);
    expect(warnings('went back in time')).toBe(1);
  });

  test('is no alarm while the stream still has it', async () => {
    await publishSome();
    await forget(30);
    await endLead();
    await eventually(() => warnings('leading') > 1);
    await bench.insert(['agg-0']);
    await eventually(async () => (await bench.entries(stream)).length === 31);

    expect(warnings('PostgreSQL went back in time')).toBe(0);
  });
});

test('an outbox that went back in time is an alarm, and then goes on', async () => {
  const publisher = await publishSome();
  // A leader that has looked at the outbox before it goes back goes by what it remembers.
  await publisher.stop();
  const lost = (await bench.entries(stream)).slice(-5).map((entry) => entry.eventId);
  await sql`
    with log as (delete from outbox_events where position > 25), batches as (delete from outbox_batches where number > 5)
    update outbox_cursor set position = 25`.execute(bench.db);
  await sql`select setval('outbox_position', 25)`.execute(bench.db);
  start();
  await eventually(() => warnings('PostgreSQL went back in time') === 1);
  const later = await bench.insert(['agg-0', 'agg-1']);

  await eventually(async () => {
    expect(await audit(bench)).toMatchObject({ missing: [], misplaced: [], unpublished: [] });
    return true;
  });
  expect((await audit(bench)).unknown).toEqual(lost);
  expect((await bench.entries(stream)).slice(-2).map((entry) => entry.eventId)).toEqual(later);
});
