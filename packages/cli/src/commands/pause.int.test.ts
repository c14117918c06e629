import { beat, registerGroup, registerTopics } from '@event-bus/database';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

let bench: Workbench;

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  const { db } = bench.database;
  await registerTopics(db, [{ name: 'user', partitions: 1 }]);
  await registerGroup(db, {
    name: 'mail',
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
});

afterAll(() => bench.close());

/** Two runners that are alive just now, of which the circuit of one is open. */
async function beatBoth(): Promise<void> {
  const { db } = bench.database;
  const runner = {
    group: 'mail',
    topics: ['user'],
    events: ['user.renamed'],
    knownAt: null,
    circuitSince: Date.now() - 90_000,
  };
  await beat(db, { ...runner, runner: 'one', circuit: 'closed', circuitError: null });
  await beat(db, { ...runner, runner: 'two', circuit: 'half-open', circuitError: 'Error: refused\nby smtp' });
}

test('a group is paused and resumed, and each says what was so already', async () => {
  const never = await bench.bus('resume', 'mail');
  const paused = await bench.bus('pause', 'mail', '--reason', 'smtp is moved', '--operator', 'ann');
  const again = await bench.bus('pause', 'mail', '--reason', 'another', '--operator', 'bob');
  await beatBoth();
  const shown = await bench.bus('groups');
  const json = await bench.json(['groups']);
  const resumed = await bench.bus('resume', 'mail', '--operator', 'bob');

  expect(never).toEqual({ status: 0, output: 'mail was not paused: there is nothing to resume.\n' });
  expect(paused).toEqual({ status: 0, output: 'mail is paused.\n' });
  expect(again.status).toBe(0);
  expect(again.output).toMatch(
    /^mail was paused already: paused for \S+.* by ann: smtp is moved\. That stays/,
  );
  expect(shown.output).toMatch(/^mail is paused for \S+.* by ann: smtp is moved$/m);
  expect(json).toMatchObject([{ group: 'mail', pause: { by: 'ann', reason: 'smtp is moved' } }]);
  expect(resumed.output).toMatch(/^mail is resumed; it was paused for \S+.* by ann: smtp is moved\.$/m);
  expect(await bench.json(['groups'])).toMatchObject([{ pause: null }]);
});

test('a circuit that is not closed is shown with its error and with how many runners it concerns', async () => {
  await beatBoth();
  const { output } = await bench.bus('groups', '--group', 'mail');

  expect(output).toMatch(/^mail has an open circuit for 1m .*, on 1 of 2 runners: Error: refused by smtp$/m);
});

test('a group that nobody knows, and a pause without a reason, are errors', async () => {
  expect(await bench.bus('pause', 'nobody', '--reason', 'x')).toEqual({
    status: 1,
    output: 'group nobody is not registered; registered are mail\n',
  });
  expect((await bench.bus('resume', 'nobody')).status).toBe(1);
  const without = await bench.bus('pause', 'mail');
  expect([without.status, without.output]).toEqual([64, expect.stringContaining('--reason')]);
});
