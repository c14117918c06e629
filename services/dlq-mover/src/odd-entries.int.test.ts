import { randomBytes } from 'node:crypto';
import { discardDeadLetters } from '@event-bus/operations';
import { eventually } from '@event-bus/testkit';
import { derivedKeys, placeKey } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { TestEntry } from './testing/handle-entry.ts';
import { createStage, eventFields, type Stage } from './testing/stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});
afterEach(() => stage.close());

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 'x']));

/** Entries by somebody who knows no rules. */
const strange: readonly Readonly<Record<string, string>>[] = [
  { hello: 'world' },
  { hello: 'world' },
  { hello: 'with\0nul' },
  { ...eventFields(), event_id: 'no-uuid' },
  { ...eventFields(), occurred_at: 'yesterday' },
  // Well formed, and nothing that PostgreSQL takes.
  { ...eventFields(), occurred_at: '2026-01-02T03:04:05+20:00' },
  { ...eventFields(), position: '9999999999999999999' },
  { ...eventFields(), replay_id: 'with\0nul' },
  { ...eventFields(), replay_id: randomBytes(6_000).toString('hex') },
  { ...eventFields(), aggregate_id: 'with\0nul', payload: '{"a":"\0"}' },
  // No index takes as much.
  { ...eventFields(), aggregate_id: randomBytes(6_000).toString('hex') },
  { ...eventFields(), payload: 'x'.repeat(256 * 1024) },
  // No script can copy as many.
  { ...eventFields(), ...many(4_500) },
  { ...eventFields(), ...many(1_500) },
];

/** Has them given up, with a hundred times as many others behind them. */
async function giveUpAll() {
  const odd = await stage.deliver(strange.length, { fields: (index) => strange[index] ?? {} });
  const others = await stage.deliver(600);
  await stage.fail(odd, { kind: 'undecodable', error: 'Error: a \0 b' });
  await stage.fail(others);
  const mover = await stage.spawn();
  const all = strange.length + others.length;
  await stage.untilAllDead(all);
  return { all, mover };
}

test('foreign entries are given up like others, each once, with all that they hold, and keep nothing else from it', async () => {
  const { all } = await giveUpAll();

  const rows = await stage.database.db
    .selectFrom('dead_letters')
    .select(['event_id', 'fields', 'state'])
    .execute();
  const texts = new Set(rows.map(({ fields }) => JSON.stringify(fields)));
  expect(strange.filter((fields) => !texts.has(JSON.stringify(fields)))).toEqual([]);
  expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(all);
});

test('dead letters of foreign entries come back, are redriven and discarded, and keep no others from it', async () => {
  const { all, mover } = await giveUpAll();
  const key = derivedKeys.deadLetters('events:user', 'mail');

  await stage.client.del(key);
  await eventually(async () => (await stage.copies()).length === all);
  // What has no proper ID is known by where it stood.
  const [first] = await stage.streams.range(key, '-', '+', 1);
  // While none is at work: one that has just found all in order writes copies again that nobody knows any more.
  await mover.stop();
  await sql`update dead_letters set dlq_id = null`.execute(stage.database.db);
  await stage.spawn();
  await eventually(async () => [...(await stage.letters()).values()].every(({ dlqId }) => dlqId !== null));
  expect((await stage.streams.range(key, '-', '+', 1))[0]?.id).toBe(first?.id);

  await stage.redriveAll();
  const injected = { ...stage.ref, injected: true } as const;
  await eventually(
    async () => (await stage.client.xlen(placeKey(injected))) === all && (await stage.copies()).length === 0,
  );

  // They fail again, and are the same letters.
  const again = await stage.take(all, injected);
  await stage.fail(again, { kind: 'undecodable' }, injected);
  await stage.untilAllDead(all);
  const kept = new Set<string>();
  const keep = async (letters: readonly { readonly eventId: string }[]) => {
    for (const { eventId } of letters) kept.add(eventId);
  };
  const discarded = await discardDeadLetters(
    { db: stage.database.db, mover: stage.mover },
    { group: 'mail' },
    { operator: 'ann', reason: 'not ours', limit: all, keep },
  );
  expect({ discarded, kept: kept.size }).toEqual({ discarded: all, kept: all });
  await eventually(async () => (await stage.copies()).length === 0);
});

/** What may stand in the failures of a group, written by anybody: each says that its entry failed for good. */
const garbage: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { attempts: 'many', history: 7, kind: {}, reason: [], error: null, stack: 1 },
  { attempts: 1e300, firstDeliveredAt: 1e300, failedAt: -1, dueAt: 'never' },
  { attempts: 2 ** 31 - 1, firstDeliveredAt: 'yesterday' },
  { attempts: -1.5, history: [null, 1, { at: 'then', consumer: 5 }, { consumer: 'a\0', error: 'b\0' }] },
  { kind: 'a\0b', reason: '\0', error: 'Error: \0', stack: '\0' },
];

test('whatever the record of a failure says, its entry is given up, and again after a redrive', async () => {
  const entries = await stage.deliver(garbage.length);
  await stage.fail(entries);
  const failures = derivedKeys.failures('events:user', 'mail');
  const spoil = async (own: readonly TestEntry[], prefix = '') => {
    for (const [index, { id, fields }] of own.entries()) {
      const record = { eventId: fields.event_id, final: true, ...garbage[index] };
      await stage.client.hset(failures, prefix + id, JSON.stringify(record));
    }
  };
  await spoil(entries);
  const others = await stage.deliver(3);
  await stage.fail(others);

  await stage.spawn();
  const all = garbage.length + others.length;
  await stage.untilAllDead(all);
  await stage.redriveAll();
  const injected = { ...stage.ref, injected: true } as const;
  const again = await stage.take(all, injected);
  await stage.fail(again, {}, injected);
  await spoil(again, 'inject:');

  await stage.untilAllDead(all);
});

test('entries that fail in ways that nobody foresaw keep none behind them from being given up', async () => {
  const refuse = (attempts: number) =>
    sql`create or replace function refuse() returns trigger language plpgsql as $$
      begin
        if new.attempt = ${sql.lit(attempts)} then raise exception 'no such luck'; end if;
        return new;
      end $$`.execute(stage.database.db);
  await refuse(77);
  await sql`create trigger refuse before insert on inbox_events for each row execute function refuse()`.execute(
    stage.database.db,
  );
  const unlucky = await stage.deliver(30);
  const others = await stage.deliver(20);
  await stage.fail(unlucky, { attempts: 77 });
  await stage.fail(others);

  const mover = await stage.spawn();
  await eventually(async () => (await stage.copies()).length === others.length);
  await mover.waitFor(/no such luck/);
  expect(await stage.pending()).toBe(unlucky.length);
  // Dropping the trigger could deadlock with the mover, which is at work on the table.
  await refuse(-1);

  await eventually(async () => (await stage.pending()) === 0);
  expect(await stage.account()).toMatchObject({ dead: unlucky.length + others.length, waiting: 0 });
});

test('an event whose day the inbox takes no rows of for now is given up later, and under no other key', async () => {
  await sql`alter table inbox_events_default add constraint guard check (occurred_at < '2031-01-01')`.execute(
    stage.database.db,
  );
  const [entry] = await stage.deliver(1, {
    fields: () => eventFields({ occurred_at: '2031-01-02T03:04:05.678901Z' }),
  });
  if (entry === undefined) throw new Error('nothing was delivered');
  await stage.fail([entry]);

  const mover = await stage.spawn();
  await mover.waitFor(/violates check constraint/);
  expect((await stage.inbox()).size).toBe(0);
  await sql`alter table inbox_events_default drop constraint guard`.execute(stage.database.db);

  await eventually(async () => (await stage.inbox()).get(entry.fields.event_id ?? '') === 'dead');
  expect((await stage.inbox()).size).toBe(1);
});

test('a key that became something else keeps no other stream from being looked after', async () => {
  await sql`insert into topics (name, partitions) values ('account', 1)`.execute(stage.database.db);
  await stage.client.set('events:account', 'no stream');
  const entries = await stage.deliver(3);
  await stage.fail(entries);

  await stage.spawn();

  await eventually(async () => (await stage.copies()).length === 3 && (await stage.pending()) === 0);
});

test('entries that Redis takes nowhere stay pending, are named, and the rest is moved', async () => {
  const [first] = await stage.deliver(1);
  if (first === undefined) throw new Error('nothing was delivered');
  const injected = { ...stage.ref, injected: true } as const;
  const [other] = await stage.deliver(1, { ref: injected, fields: () => eventFields() });
  if (other === undefined) throw new Error('nothing was delivered');
  await stage.client.set(derivedKeys.deadLetters('events:user', 'mail'), 'no stream');
  await stage.fail([first]);
  await stage.fail([other], {}, injected);

  const mover = await stage.spawn();
  await mover.waitFor(new RegExp(`${first.id}.*cannot be made dead letters`));
  await stage.client.del(derivedKeys.deadLetters('events:user', 'mail'));

  await eventually(async () => (await stage.copies()).length === 2 && (await stage.pending()) === 0);
});
