import { registerGroup } from '@event-bus/database';
import { recordSettled } from '@event-bus/outbox/log';
import { eventually } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench } from '../testing.ts';
import { findDisposable } from './disposable.ts';

const stream = 'events:user';

let bench: Bench;
let transport: ReturnType<typeof createRedisTransport>;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  transport = createRedisTransport({ url: bench.redis.url });
});

afterEach(async () => {
  await transport.close();
  await bench.close();
});

async function addGroup(group: string, on = stream): Promise<void> {
  await registerGroup(bench.db, {
    name: group,
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  await transport.reader().ensureGroup({ stream: on, group }, '0');
}

async function publish(aggregateId: string): Promise<void> {
  await bench.insert([aggregateId]);
  await eventually(async () => (await audit(bench)).unpublished.length === 0);
}

async function settle(group: string, count: number): Promise<void> {
  const reader = transport.reader();
  const taken = await reader.read({ group, consumer: 'c', from: [{ stream }], blockMs: 0, count });
  const names = taken.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' }));
  await reader.acknowledge({ stream, group }, names);
}

/** One look, which is noted as pruning does. Returns how many batches of the topic's one stream nobody needs, and why no more. */
async function look(): Promise<readonly [number | undefined, string | undefined]> {
  const { pool } = bench.database;
  const parts = { pool, bus: bench.db, streams: transport.observer(), source: 'bench' };
  const { settled, batches } = await findDisposable(parts);
  await recordSettled(pool, settled);
  const found = batches.find((one) => one.stream === stream);
  return [found?.number, found?.reason];
}

const expand = () => sql`update topics set partitions = 2 where name = 'user'`.execute(bench.db);

/** Two batches, of which one group has settled so many. */
async function publishTwo(settled: number): Promise<void> {
  const publisher = bench.start();
  await addGroup('mail');
  await publish('ann');
  await publish('bob');
  await publisher.stop();
  await settle('mail', settled);
}

test('when a topic is given more partitions, what every group had settled of its one stream stays settled', async () => {
  await publishTwo(2);
  await expand();

  expect(await look()).toEqual([2, expect.any(String)]);
});

test('that stays so though groups come that were never to read it, and Redis forgets those that did', async () => {
  await publishTwo(2);
  await expand();
  await look();

  await addGroup('late', 'events:user:0');
  expect((await look())[0]).toBe(2);
  const client = bench.redis.client();
  await client.del(stream);
  client.disconnect();
  expect((await look())[0]).toBe(2);
});

test('what a group had not settled by then is needed, whatever becomes of the group', async () => {
  await publishTwo(2);
  await addGroup('sms');
  await settle('sms', 1);
  await look();
  await expand();

  expect(await look()).toEqual([1, expect.stringContaining('group sms has not acknowledged')]);
  const client = bench.redis.client();
  await client.xgroup('DESTROY', stream, 'sms');
  client.disconnect();
  expect(await look()).toEqual([1, expect.stringContaining('group sms is missing on the server')]);
});

test('of a stream that is still read nothing is taken for settled while a group is missing on the server', async () => {
  await publishTwo(2);
  await look();
  await addGroup('late', 'events:other');

  expect((await look())[0]).toBe(0);
});
