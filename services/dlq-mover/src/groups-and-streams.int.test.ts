import { createTestDatabase } from '@event-bus/database/testing';
import { registerInboxGroup } from '@event-bus/inbox';
import { eventually } from '@event-bus/testkit';
import { derivedKeys } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import type { TestEntry } from './testing/handle-entry.ts';
import { createStage, type Stage } from './testing/stage.ts';
import { untilSwept } from './testing/sweeps.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});
afterEach(() => stage.close());

const ids = (entries: readonly TestEntry[]) => entries.map(({ fields }) => fields.event_id ?? '');
const deadIds = async () => new Set((await stage.letters()).keys());

test('a stream that is deleted and written anew brings back nothing that is dead, and what was only given up is handled', async () => {
  const dead = await stage.deliver(2);
  await stage.fail(dead);
  const mover = await stage.spawn();
  await eventually(async () => (await stage.copies()).length === dead.length);
  mover.kill('SIGSTOP');
  const givenUp = await stage.deliver(2);
  await stage.fail(givenUp);

  await stage.client.del('events:user');
  await stage.reader.ensureGroup(stage.ref, '0');
  const all = [...dead, ...givenUp];
  const again = await stage.deliver(all.length, { fields: (index) => all[index]?.fields ?? {} });
  mover.kill('SIGCONT');
  const ends = await Promise.all(again.map((entry) => stage.handle(entry)));
  await untilSwept(mover, 3);

  expect(ends).toEqual(['duplicate', 'duplicate', 'handled', 'handled']);
  expect(await deadIds()).toEqual(new Set(ids(dead)));
  expect(await stage.account()).toMatchObject({ handled: 2, dead: 2, waiting: 0 });
});

test('a group that is deleted keeps its dead letters, and they are redriven when it is there again', async () => {
  const entries = await stage.deliver(3);
  await stage.fail(entries);
  const mover = await stage.spawn();
  await eventually(async () => (await stage.copies()).length === entries.length);
  const waiting = await stage.deliver(1);
  await stage.fail(waiting);
  await eventually(async () => (await stage.copies()).length === 4);

  await stage.client.xgroup('DESTROY', 'events:user', 'mail');
  await stage.client.xgroup('DESTROY', '{events:user}:inject:mail', 'mail');
  await untilSwept(mover, 3);
  expect(mover.output()).not.toMatch(/could be moved|could be compared/);
  expect(await stage.copiesCount()).toBe(4);

  const place = { ...stage.ref, injected: true } as const;
  await stage.reader.ensureGroup(place, '0');
  await stage.redriveAll();
  const taken = await stage.take(4, place);
  expect(new Set(ids(taken))).toEqual(new Set(ids([...entries, ...waiting])));
});

test('of two databases with inboxes each has a mover, which gives up what is of its own groups only', async () => {
  const other = await createTestDatabase(inject('postgresUrl'));
  onTestFinished(() => other.close());
  const theirs = { stream: 'events:user', group: 'billing' };
  await registerInboxGroup(other.db, {
    group: theirs.group,
    onDeadLetter: 'continue',
    maxDeliveries: 5,
    claimIdleMs: 2_000,
  });
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{user}', 'none', 'beginning'), ('billing', '{user}', 'none', 'beginning')`.execute(
    stage.database.db,
  );
  await stage.reader.ensureGroup(theirs, '0');
  const entries = await stage.deliver(3);
  await stage.fail(entries);
  const read = await stage.reader.read({
    group: theirs.group,
    consumer: 'runner',
    from: [theirs],
    count: 2,
    blockMs: 1_000,
  });
  await stage.fail(read, {}, theirs);

  const movers = await Promise.all([
    stage.spawn({ BUS_DATABASE_URL: stage.database.url }),
    stage.spawn({ DATABASE_URL: other.url, BUS_DATABASE_URL: stage.database.url }),
  ]);
  const copiesOf = (group: string) => stage.client.xlen(derivedKeys.deadLetters('events:user', group));
  await eventually(async () => (await copiesOf('mail')) === 3 && (await copiesOf('billing')) === 2);
  await Promise.all(movers.map((mover) => untilSwept(mover, 3)));

  expect(await deadIds()).toEqual(new Set(ids(entries)));
  const rows = await other.db.selectFrom('dead_letters').select(['consumer_group', 'event_id']).execute();
  expect(new Set(rows.map(({ event_id }) => event_id))).toEqual(new Set(ids(read)));
  expect(rows.every(({ consumer_group }) => consumer_group === 'billing')).toBe(true);
});
