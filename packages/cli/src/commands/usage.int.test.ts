import { expect, inject, test } from 'vitest';
import { createWorkbench, runBus } from '../testing.ts';

const commands = [
  ['migrate'],
  ['doctor'],
  ['streams'],
  ['groups'],
  ['pending'],
  ['pause'],
  ['resume'],
  ['audit'],
  ['tail'],
  ['publish'],
  ['outbox', 'status'],
  ['outbox', 'parked'],
  ['outbox', 'retry'],
  ['reconcile'],
  ['retention', 'status'],
  ['retention', 'explain'],
  ['replay'],
  ['replay', 'cancel'],
];

test('the help names every command, every variable and every exit status', async () => {
  const { status, output } = await runBus(['--help'], {});

  expect(status).toBe(0);
  for (const [name] of commands) expect(output).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  const databases = ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'BUS_DATABASE_URL', 'INBOX_DATABASE_URL'];
  for (const variable of [...databases, 'REDIS_URL']) {
    expect(output).toContain(`  ${variable} `);
  }
  expect(output).toContain('Exit status: 0 done, 1 failed or not all is well, 64 wrong usage, 78');
});

test.each(commands.map((command) => [command.join(' '), command] as const))(
  'the help of %s has an example of it',
  async (name, command) => {
    const { status, output } = await runBus([...command, '--help'], {});

    expect(status).toBe(0);
    expect(output).toMatch(new RegExp(`Example:\\n {2}\\$ bus ${name}`));
  },
);

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

test.for([
  [['frobnicate'], /unknown command 'frobnicate'/],
  [['streams', '--frob'], /unknown option '--frob'/],
  [['resume'], /missing required argument 'group'/],
  [['pending', '--state', 'lost'], /Allowed choices are in-flight, retrying, given-up, vanished/],
  [['outbox', 'retry'], /give the ID of a parked event, or --all/],
  [['outbox', 'retry', 'no-uuid'], /must be an event ID/],
  [['tail', 'user', '--group', 'mail'], /a topic or --group, not both/],
  [['tail', '--since', 'yesterday'], /must be how long ago/],
  [['tail', '-n', '-1'], /must be a whole number/],
] as const)('wrong usage is refused with status 64: %j', async ([args, message]) => {
  const { status, output } = await runBus(args, {});

  expect(output).toMatch(message);
  expect(output).not.toMatch(/\n\s+at /);
  expect(status).toBe(64);
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
