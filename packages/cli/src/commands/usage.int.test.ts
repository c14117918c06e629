import { expect, inject, test } from 'vitest';
import { createWorkbench, runBus } from '../testing.ts';

test('missing variables are named all at once, with status 78 and no stack', async () => {
  const { status, output } = await runBus(['streams'], {});

  expect(status).toBe(78);
  expect(output).toMatch(/2 problems[\s\S]*DATABASE_URL: is missing[\s\S]*REDIS_URL: is missing/);
  expect(output).not.toMatch(/\n\s+at /);
});

test('a command asks for no variable that it does not need', async () => {
  const { status, output } = await runBus(['outbox', 'status'], {});

  expect(status).toBe(78);
  expect(output).toContain('DATABASE_URL');
  expect(output).not.toContain('REDIS_URL');
});

test('wrong usage is refused with status 64, and help is not', async () => {
  const refused = await runBus(['frobnicate'], {});
  expect(refused.status).toBe(64);
  expect(refused.output).toMatch(/unknown command 'frobnicate'/);

  const helped = await runBus(['outbox', '--help'], {});
  expect(helped.status).toBe(0);
  expect(helped.output).toMatch(/Example:\n {2}\$ bus outbox/);
});

test('servers that are away are named, with the reason and no stack', async () => {
  const nobody = 'postgres://bus:hidden@127.0.0.1:1/bus';
  const postgres = await runBus(['outbox', 'status'], { DATABASE_URL: nobody });
  expect(postgres.status).toBe(1);
  expect(postgres.output.trim()).toBe('PostgreSQL cannot be reached: connect ECONNREFUSED 127.0.0.1:1');

  const bench = await createWorkbench(inject('postgresUrl'));
  await bench.redis.kill();
  await bench.insert(['ann']);
  const redis = await bench.bus('reconcile', '--dry-run');
  await bench.database.pool.query(`insert into topics (name, partitions) values ('user', 1)`);
  const streams = await bench.bus('streams');
  await bench.close();
  expect(redis).toEqual({ status: 0, output: 'This outbox has written to no stream yet.\n' });
  expect(streams.status).toBe(1);
  expect(streams.output).toMatch(/^Redis: .*ECONNREFUSED.*\n$/);
});
