import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing/stage.ts';
import { untilSwept } from './testing/sweeps.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});
afterEach(() => stage.close());

/** An entry that was handed out until it is exhausted, in the hands of a process that is frozen, among others. */
async function freezeHandler(idleMs: number) {
  const [entry, ...others] = await stage.deliver(11);
  if (entry === undefined) throw new Error('nothing was delivered');
  const handler = await stage.spawnHandler(entry, idleMs);
  handler.kill('SIGSTOP');
  await stage.age([entry, ...others], 5, 60_000);
  const mover = await stage.spawn();
  await eventually(async () => (await stage.letters()).size >= 10);
  const thaw = async () => {
    handler.kill('SIGUSR2');
    handler.kill('SIGCONT');
    await handler.exited;
    return /outcome: (\w+)/.exec(handler.output())?.[1];
  };
  return { eventId: entry.fields.event_id ?? '', mover, thaw };
}

test('an event whose handler is frozen with its transaction open waits for it, others do not, and the handler wins when it is thawed', async () => {
  const { eventId, mover, thaw } = await freezeHandler(60_000);
  await untilSwept(mover, 2);
  expect((await stage.letters()).has(eventId)).toBe(false);

  expect(await thaw()).toBe('handled');

  await eventually(async () => (await stage.pending()) === 0);
  await untilSwept(mover, 2);
  expect((await stage.inbox()).get(eventId)).toBe('done');
  expect(await stage.account()).toMatchObject({ handled: 1, dead: 10, waiting: 0 });
  expect(mover.output()).not.toContain(eventId);
});

test('an event whose frozen handler the server has cut off is given up, and the handler cannot commit when it is thawed', async () => {
  const { eventId, thaw } = await freezeHandler(300);
  await stage.untilAllDead(11);

  expect(await thaw()).toBe('failed');

  expect((await stage.inbox()).get(eventId)).toBe('dead');
  expect(await stage.account()).toMatchObject({ handled: 0, dead: 11, waiting: 0 });
});
