import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runCli } from '../run-cli.ts';

const commands = [
  ['migrate'],
  ['doctor'],
  ['streams'],
  ['groups'],
  ['pending'],
  ['pause'],
  ['resume'],
  ['dlq', 'list'],
  ['dlq', 'show'],
  ['dlq', 'redrive'],
  ['dlq', 'discard'],
  ['history'],
  ['show'],
  ['audit'],
  ['tail'],
  ['publish'],
  ['outbox', 'status'],
  ['outbox', 'parked'],
  ['outbox', 'retry'],
  ['reconcile'],
  ['retention', 'status'],
  ['retention', 'explain'],
  ['retention', 'windows'],
  ['replay'],
  ['replay', 'cancel'],
];

let output = '';
beforeEach(() => {
  output = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      output += String(text);
      return true;
    });
  }
});
afterEach(() => vi.restoreAllMocks());

test('the help names every command, every variable and every exit status', async () => {
  expect(await runCli(['--help'])).toBe(0);
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
    expect(await runCli([...command, '--help'])).toBe(0);
    expect(output).toMatch(new RegExp(`Example:\\n {2}\\$ bus ${name}`));
  },
);

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
  const status = await runCli(args);

  expect(output).toMatch(message);
  expect(output).not.toMatch(/\n\s+at /);
  expect(status).toBe(64);
});

const namelessUid = 12_345;

// Only root may become somebody else, and back.
test.skipIf(process.geteuid?.() !== 0)(
  'under a UID that has no name, as containers have it, that is who did it',
  async () => {
    process.seteuid?.(namelessUid);
    const statuses = await Promise.all([runCli(['replay', '--help']), runCli(['pause', '--help'])]).finally(
      () => process.seteuid?.(0),
    );

    expect(statuses).toEqual([0, 0]);
    expect(output.match(/\(default: "uid 12345"\)/g)).toHaveLength(2);
  },
);
