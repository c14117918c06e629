import { registerGroup, registerTopics } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, runBus, type Workbench } from '../testing.ts';

let bench: Workbench;
let consumers: TestDatabase;

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  consumers = await createTestDatabase(inject('postgresUrl'));
  const { db } = bench.database;
  await registerTopics(db, [{ name: 'user', partitions: 1 }]);
  await registerGroup(db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: { events: ['user.renamed'] },
  });
  await consumers.pool.query(
    `insert into inbox_groups (consumer_group, on_dead_letter, max_deliveries, claim_idle_ms)
     values ('mail', 'continue', 5, 30000)`,
  );
  await bench.insert(['u-1', 'u-2', 'u-3']);
});

afterAll(async () => {
  await consumers.close();
  await bench.close();
});

const audit = (...args: readonly string[]) =>
  runBus(['audit', ...args], { ...bench.env, INBOX_DATABASE_URL: consumers.url });

test('a group whose inbox is in another database is named, and is not called proven', async () => {
  const { status, output } = await bench.bus('audit');

  expect(status).toBe(1);
  expect(output).toContain('mail is not accounted for: its inbox is in another database.');
});

test('with that database its events are accounted for, those of another time left out', async () => {
  const all = await audit();
  const none = await audit('--to', '2020-01-01T00:00:00Z');

  expect(all).toMatchObject({ status: 0 });
  expect(all.output).toMatch(/^mail +3 +0 +0 +3 +0 +0\n\nmail: 3 unpublished$/m);
  expect(none).toEqual({ status: 0, output: 'The outbox holds no event of that time.\n' });
});

test('events that another outbox wrote to the same streams are said to be out of sight', async () => {
  await bench.redis.client().hset('{events:user}:writers', 'payments', '1-1 event');

  expect((await audit('--group', 'mail')).output).toContain('Events of payments are not accounted for');
});

test('a group and a topic that nobody knows are errors', async () => {
  expect(await audit('--group', 'nobody')).toEqual({
    status: 1,
    output: 'group nobody is not registered; registered are mail\n',
  });
  expect(await audit('--topic', 'weather')).toMatchObject({ status: 1 });
  expect(await audit('--from', 'yesterday')).toMatchObject({ status: 64 });
});
