import { createTestDatabase, type PostgresServer, spawnService, startPostgres } from '@event-bus/testkit';
import { expect, inject, test } from 'vitest';
import { runBus } from '../testing.ts';

test('migrates an empty database, says what was applied, and has nothing to do the second time', async () => {
  const database = await createTestDatabase(inject('postgresUrl'));
  const env = { DATABASE_URL: database.url };
  const before = await runBus(['outbox', 'status'], env);
  const first = await runBus(['migrate'], env);
  const second = await runBus(['migrate'], env);
  const after = await runBus(['outbox', 'status'], env);
  await database.drop();

  expect(before.status).toBe(1);
  expect(before.output).toMatch(/lacks the migrations 0001-outbox.*run `bus migrate` first/);
  expect(first).toMatchObject({ status: 0 });
  expect(first.output).toMatch(/^\S+ on 127\.0\.0\.1:\d+: applied 0001-outbox, 0002-inbox, .*\n$/);
  expect(second).toMatchObject({ status: 0 });
  expect(second.output).toMatch(/^\S+ on \S+: up to date with \d{4}-\S+\n$/);
  expect(after.status).toBe(0);
});

test('migrates the databases of the bus and of the inboxes too, each once', async () => {
  const [own, bus, inbox] = [
    await createTestDatabase(inject('postgresUrl')),
    await createTestDatabase(inject('postgresUrl')),
    await createTestDatabase(inject('postgresUrl')),
  ];
  const all = { DATABASE_URL: own.url, BUS_DATABASE_URL: bus.url, INBOX_DATABASE_URL: inbox.url };
  const first = await runBus(['migrate'], all);
  const again = await runBus(['migrate'], { ...all, INBOX_DATABASE_URL: bus.url });
  const alone = await runBus(['migrate'], { DATABASE_URL: inbox.url });
  for (const database of [own, bus, inbox]) await database.drop();

  expect(first.status).toBe(0);
  expect(first.output.match(/: applied /g)).toHaveLength(3);
  expect(again.output.match(/: up to date /g)).toHaveLength(2);
  expect(alone.output).toMatch(/^\S+ on \S+: up to date with \d{4}-\S+\n$/);
});

test('gives up at once on a database that is away, and says why without the password', async () => {
  const { status, output } = await runBus(['migrate'], {
    DATABASE_URL: 'postgres://bus:hidden@127.0.0.1:1/bus',
  });

  expect(status).toBe(1);
  expect(output.trim()).toBe('PostgreSQL cannot be reached: connect ECONNREFUSED 127.0.0.1:1');
});

test('with --wait it waits for a database that is away, and migrates it once it is there', async () => {
  const server: PostgresServer = await startPostgres();
  const { url } = await server.createDatabase('late');
  await server.kill();
  const entry = new URL('../main.ts', import.meta.url);
  const waiting = await spawnService({
    entry,
    args: ['migrate', '--wait', '--timeout', '2m'],
    env: { DATABASE_URL: url },
  });
  await waiting.waitFor(/^late on 127\.0\.0\.1:\d+: .*ECONNREFUSED.*; trying again in \d+ms/m);
  await server.restart();
  const { code } = await waiting.exited;
  const output = waiting.output();
  await server.stop();

  expect(output).toMatch(/applied 0001-outbox/);
  expect(code).toBe(0);
});
