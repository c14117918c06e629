import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@event-bus/testkit';
import { derivedKeys, placeKey } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import type { TestEntry } from './testing/handle-entry.ts';
import { createStage, eventFields, type Stage } from './testing/stage.ts';
import { counterOf, untilSwept } from './testing/sweeps.ts';

let stage: Stage;
afterEach(() => stage.close());

const ids = (entries: readonly TestEntry[]) => entries.map(({ fields }) => fields.event_id ?? '');

/** Every entry is dead, once: in the inbox, in its letter, in Redis, and pending no longer. */
async function areDead(entries: readonly TestEntry[]): Promise<boolean> {
  if ((await stage.pending()) > 0) return false;
  const [inbox, letters, copies] = await Promise.all([stage.inbox(), stage.letters(), stage.copies()]);
  return (
    copies.length === entries.length &&
    ids(entries).every(
      (id) =>
        inbox.get(id) === 'dead' && letters.get(id)?.state === 'dead' && letters.get(id)?.dlqId !== null,
    )
  );
}

const untilDead = (entries: readonly TestEntry[], timeoutMs = 30_000) =>
  eventually(() => areDead(entries), {
    message: `${entries.length} entries to be dead`,
    intervalMs: 100,
    timeoutMs,
  });

test('what a runner gave up is dead in the inbox, written down whole, copied to the dead letters and no longer pending', async () => {
  stage = await createStage(inject('postgresUrl'));
  const [entry, other] = await stage.deliver(2);
  if (entry === undefined || other === undefined) throw new Error('nothing was delivered');
  await stage.fail([entry]);

  await stage.spawn();
  await eventually(async () => (await stage.letters()).size === 1 && (await stage.copies()).length === 1);

  const letter = await stage.database.db.selectFrom('dead_letters').selectAll().executeTakeFirstOrThrow();
  expect(letter).toMatchObject({
    consumer_group: 'mail',
    event_id: entry.fields.event_id,
    kind: 'attempts',
    reason: 'attempts used up: 3 of 3 failed',
    error: 'Error: no luck',
    attempts: 3,
    consumer: 'runner',
    fields: entry.fields,
    history: [{ at: 1_790_000_000_000, consumer: 'runner', error: 'Error: no luck' }],
    event_type: 'user.renamed',
    tenant_id: 'acme',
  });
  const [copy] = await stage.streams.range(derivedKeys.deadLetters('events:user', 'mail'), '-', '+', 10);
  expect(Object.keys(copy?.fields ?? {})).toEqual([
    ...Object.keys(entry.fields),
    'dlq_original_id',
    'dlq_group',
    'dlq_reason',
    'dlq_error',
    'dlq_deliveries',
    'dlq_first_delivered_at',
    'dlq_dead_lettered_at',
    'dlq_consumer',
  ]);
  expect(copy?.fields).toMatchObject({ ...entry.fields, dlq_original_id: entry.id, dlq_group: 'mail' });
  expect(await stage.reader.failures(stage.ref, [entry.id])).toEqual(new Map());
  // The other one is in its handler.
  expect(await stage.pending()).toBe(1);
});

test('ten thousand exhausted entries behind more others than a page holds are all found, and the others are left alone', async () => {
  stage = await createStage(inject('postgresUrl'));
  const busy = await stage.deliver(100, { consumer: 'busy' });
  const abandoned = await stage.deliver(600, { consumer: 'gone' });
  await stage.age(abandoned, 1, 60_000);
  const exhausted = await stage.deliver(10_000);
  await stage.age(exhausted, 5, 60_000);
  let isBusy = true;
  onTestFinished(() => {
    isBusy = false;
  });
  const keeping = (async () => {
    const kept = busy.map(({ id }) => id);
    while (isBusy) {
      await stage.reader.keep(stage.ref, 'busy', kept);
      await delay(200);
    }
  })();
  keeping.catch(() => 'the test has ended, or fails where it waits for it');

  await stage.spawn();
  // Asked for by counts and seldom: the test must not take the time of what it waits for.
  await eventually(async () => (await stage.pending()) === 700 && (await stage.copiesCount()) === 10_000, {
    timeoutMs: 120_000,
    intervalMs: 250,
    message: 'ten thousand dead letters',
  });
  isBusy = false;
  await keeping;

  expect(new Set(await stage.copies())).toEqual(new Set(ids(exhausted)));
  const letters = await stage.letters();
  expect(letters.size).toBe(10_000);
  expect([...letters.values()].every(({ kind }) => kind === 'crashed')).toBe(true);
  const inbox = await stage.inbox();
  expect(ids([...busy, ...abandoned]).some((id) => inbox.has(id))).toBe(false);
});

test('an entry that a slow but living handler holds is never moved, however often it was delivered', async () => {
  stage = await createStage(inject('postgresUrl'));
  // Longer than the handler, which is this test, may be held up: then it would count as dead.
  await sql`update inbox_groups set claim_idle_ms = 60000`.execute(stage.database.db);
  const [slow] = await stage.deliver(1, { consumer: 'slow' });
  const dead = await stage.deliver(1);
  if (slow === undefined) throw new Error('nothing was delivered');
  const tired = ['IDLE', 3_600_000, 'RETRYCOUNT', 9, 'JUSTID'] as const;
  await stage.client.xclaim('events:user', 'mail', 'slow', 0, slow.id, ...tired);
  await stage.age(dead, 5, 3_600_000);
  // The handler shows that it lives.
  await stage.reader.keep(stage.ref, 'slow', [slow.id]);

  const mover = await stage.spawn();
  await eventually(async () => (await stage.letters()).size === 1);
  await untilSwept(mover, 3);

  expect((await stage.inbox()).has(slow.fields.event_id ?? '')).toBe(false);
  expect(await stage.handle(slow)).toBe('handled');
});

test('movers that are killed at random leave every event dead exactly once', async () => {
  stage = await createStage(inject('postgresUrl'));
  const entries = await stage.deliver(3_000);
  await stage.fail(entries);

  for (let kills = 0; kills < 3; kills += 1) {
    const before = await stage.copiesCount();
    const victims = await Promise.all([stage.spawn(), stage.spawn()]);
    await eventually(async () => (await stage.copiesCount()) > before || (await stage.pending()) === 0, {
      intervalMs: 5,
    });
    for (const victim of victims) victim.kill('SIGKILL');
  }
  await stage.spawn();
  await untilDead(entries, 60_000);

  expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
});

test('of a handler and two movers that race for an event a thousand times, exactly one wins each time', async () => {
  stage = await createStage(inject('postgresUrl'));
  const spawn = () => stage.spawn({ SWEEP_EVERY: '50ms' });
  const [, second] = await Promise.all([spawn(), spawn()]);
  const entries: TestEntry[] = [];
  const handled = new Set<string>();
  for (let round = 0; round < 20; round += 1) {
    const batch = await stage.deliver(50);
    entries.push(...batch);
    await stage.fail(batch);
    await Promise.all(
      batch.map(async (entry) => {
        if ((await stage.handle(entry)) === 'handled') handled.add(entry.fields.event_id ?? '');
      }),
    );
  }

  await eventually(
    async () => (await stage.pending()) === 0 && (await stage.inbox()).size === entries.length,
  );
  const dead = ids(entries).filter((id) => !handled.has(id));
  // Two that restore the same copy write it twice, and one of them is deleted later.
  await second.stop();
  await eventually(
    async () => {
      expect((await stage.copies()).toSorted()).toEqual(dead.toSorted());
      return [...(await stage.letters()).values()].every(({ dlqId }) => dlqId !== null);
    },
    { message: 'a copy for each that is dead, and for no other' },
  );
  const [inbox, letters] = await Promise.all([stage.inbox(), stage.letters()]);
  expect(new Set(letters.keys())).toEqual(new Set(dead));
  expect(ids(entries).filter((id) => inbox.get(id) !== (handled.has(id) ? 'done' : 'dead'))).toEqual([]);
});

test('an event that was handled, and whose runner died before it acknowledged, is acknowledged and not dead', async () => {
  stage = await createStage(inject('postgresUrl'));
  const [handled, dead] = await stage.deliver(2);
  if (handled === undefined || dead === undefined) throw new Error('nothing was delivered');
  const [again] = await stage.deliver(1, { fields: () => handled.fields });
  if (again === undefined) throw new Error('nothing was delivered');
  expect(await stage.handle(handled)).toBe('handled');
  await stage.fail([again, dead]);

  const mover = await stage.spawn();
  await untilSwept(mover, 3);

  await untilDead([dead]);
  expect((await stage.inbox()).get(handled.fields.event_id ?? '')).toBe('done');
  // Not even for a moment.
  expect(mover.output()).not.toContain(handled.fields.event_id);
});

describe('what Redis loses', () => {
  test('of dead letters is restored, and an event that comes again in its stream stays dead', async () => {
    stage = await createStage(inject('postgresUrl'));
    const entries = await stage.deliver(300);
    await stage.fail(entries);
    await stage.spawn();
    await untilDead(entries);

    await stage.client.flushall();
    await eventually(async () => (await stage.copies()).length === 300);
    await stage.reader.ensureGroup(stage.ref, '0');
    const [again] = await stage.deliver(1, { fields: () => entries[0]?.fields ?? {} });
    if (again === undefined) throw new Error('nothing was delivered');

    expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
    expect(await stage.handle(again)).toBe('duplicate');
    expect((await stage.letters()).get(again.fields.event_id ?? '')?.state).toBe('dead');
  });

  test('of redrives is injected again, and once only', async () => {
    stage = await createStage(inject('postgresUrl'));
    const entries = await stage.deliver(40);
    await stage.fail(entries);
    await stage.spawn();
    await untilDead(entries);
    const place = placeKey({ ...stage.ref, injected: true });

    await stage.redriveAll();
    await eventually(
      async () => (await stage.client.xlen(place)) === 40 && (await stage.copies()).length === 0,
    );
    await stage.client.flushall();
    await eventually(async () => (await stage.client.xlen(place)) === 40);

    const injected = await stage.streams.range(place, '-', '+', 100);
    expect(injected.map(({ fields }) => fields.event_id)).toEqual(ids(entries));
    expect(injected.every(({ fields }) => fields.replay_id === '')).toBe(true);
  });

  test('in a restart during the moves changes nothing', async () => {
    stage = await createStage(inject('postgresUrl'));
    const entries = await stage.deliver(2_000);
    await stage.fail(entries);
    await stage.spawn();
    await eventually(async () => (await stage.copiesCount()) > 100, { intervalMs: 5 });

    await stage.redis.restart();

    await untilDead(entries);
    expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
  });

  test('in a restart while redrives are injected is injected all the same', async () => {
    stage = await createStage(inject('postgresUrl'));
    const entries = await stage.deliver(1_500);
    await stage.fail(entries);
    await stage.spawn();
    await untilDead(entries);
    const place = { ...stage.ref, injected: true } as const;

    await stage.redriveAll();
    await eventually(async () => (await stage.client.xlen(placeKey(place))) > 0, { intervalMs: 1 });
    await stage.redis.restart();

    await eventually(async () => (await stage.copies()).length === 0);
    // A lost reply may have made some of them double, which the inbox absorbs.
    const taken = new Set<string>();
    while (taken.size < entries.length) for (const id of ids(await stage.take(1, place))) taken.add(id);
    expect(taken).toEqual(new Set(ids(entries)));
  });

  test('or what is added and deleted among the dead letters by hand is put right', async () => {
    stage = await createStage(inject('postgresUrl'));
    const entries = await stage.deliver(20);
    await stage.fail(entries);
    await stage.spawn();
    await untilDead(entries);
    const key = derivedKeys.deadLetters('events:user', 'mail');
    const [first, second] = await stage.streams.range(key, '-', '+', 2);
    if (first === undefined || second === undefined) throw new Error('there is no copy');

    await stage.client.xdel(key, first.id);
    await stage.client.xadd(key, '*', ...Object.entries(second.fields).flat());
    await stage.client.xadd(key, '*', 'event_id', 'nonsense');

    await eventually(async () => {
      const copies = await stage.copies();
      return copies.length === 20 && new Set(copies).size === 20 && !copies.includes('nonsense');
    });
    expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
  });
});

test('entries that were deleted or trimmed while they were pending are acknowledged and counted, and not looked at again', async () => {
  stage = await createStage(inject('postgresUrl'));
  const entries = await stage.deliver(4);
  await stage.fail(entries);
  const [trimmed, , deleted] = entries;
  if (trimmed === undefined || deleted === undefined) throw new Error('nothing was delivered');
  await stage.vanish(trimmed, 'trimmed');
  await stage.vanish(deleted, 'deleted');

  const mover = await stage.spawn();
  await eventually(async () => (await stage.pending()) === 0);
  await untilSwept(mover, 2);

  expect(mover.output().match(/stand in their stream no longer/g)).toHaveLength(1);
  expect(await counterOf(mover, 'bus_dead_letters_vanished_total')).toBe(2);
  expect((await stage.letters()).size).toBe(2);
  expect(await stage.client.hlen(derivedKeys.failures('events:user', 'mail'))).toBe(0);
});

test('of a group that nobody registered only what a runner has given up is moved', async () => {
  stage = await createStage(inject('postgresUrl'), { register: false });
  const failed = await stage.deliver(2);
  const abandoned = await stage.deliver(2);
  await stage.age(abandoned, 50, 3_600_000);
  await stage.fail(failed);

  const mover = await stage.spawn();
  await eventually(async () => (await stage.copies()).length >= 2);
  await untilSwept(mover, 3);

  expect(new Set(await stage.copies())).toEqual(new Set(ids(failed)));
  expect(await stage.pending()).toBe(2);
});

test('a group that is registered and has its inbox in another database is left to the mover of that', async () => {
  stage = await createStage(inject('postgresUrl'), { register: false });
  await sql`insert into consumer_groups (name, topics, ordering, start_from)
    values ('mail', '{user}', 'none', 'beginning')`.execute(stage.database.db);
  const theirs = await stage.deliver(1);
  await stage.fail(theirs);
  await untilSwept(await stage.spawn(), 3);

  expect(await stage.pending()).toBe(1);
  expect((await stage.letters()).size).toBe(0);
});

test('a redrive that fails again is dead again, with its history, and a group that holds lets go what waited behind it', async () => {
  stage = await createStage(inject('postgresUrl'), { onDeadLetter: 'hold' });
  const [blocker, ...followers] = await stage.deliver(3, {
    fields: () => eventFields({ aggregate_id: 'u-1' }),
  });
  if (blocker === undefined) throw new Error('nothing was delivered');
  await stage.fail([blocker]);
  await stage.spawn();
  await eventually(async () => (await stage.letters()).size === 1);
  await stage.fail(followers, { kind: 'held' });
  await untilDead([blocker, ...followers]);
  const place = { ...stage.ref, injected: true } as const;
  const injectedEvents = async () => {
    const entries = await stage.streams.range(placeKey(place), '-', '+', 10);
    return entries.map(({ fields }) => fields.event_id);
  };
  const behind = await stage.database.db
    .selectFrom('dead_letters')
    .select('behind')
    .where('kind', '=', 'held')
    .execute();
  expect(behind).toEqual([{ behind: blocker.fields.event_id }, { behind: blocker.fields.event_id }]);

  // It fails again.
  await sql`update dead_letters set state = 'redriving', redrives = 1 where kind = 'attempts'`.execute(
    stage.database.db,
  );
  await eventually(async () => (await injectedEvents()).length === 1);
  const read = await stage.reader.read({
    group: 'mail',
    consumer: 'runner',
    from: [place],
    count: 10,
    blockMs: 1_000,
  });
  await stage.fail(read, { attempts: 2, error: 'Error: still no luck' }, place);
  await untilDead([blocker, ...followers]);
  const again = await stage.database.db
    .selectFrom('dead_letters')
    .select(['attempts', 'redrives', 'error', 'history'])
    .where('kind', '=', 'attempts')
    .executeTakeFirstOrThrow();
  expect(again).toMatchObject({ attempts: 5, redrives: 1, error: 'Error: still no luck' });
  expect(again.history).toHaveLength(2);
  expect(await injectedEvents()).toEqual([]);

  // Somebody decides that it is done: what waited behind it follows, in order.
  await sql`update dead_letters set state = 'discarded', resolved_at = now() where kind = 'attempts'`.execute(
    stage.database.db,
  );
  await eventually(async () => (await injectedEvents()).length === 2);
  expect(await injectedEvents()).toEqual(ids(followers));
  await eventually(async () => (await stage.copies()).length === 0);
});

test('names of dead consumers are removed, and those that hold something are not', async () => {
  stage = await createStage(inject('postgresUrl'));
  await stage.deliver(1, { consumer: 'holding' });
  const [done] = await stage.deliver(1, { consumer: 'gone' });
  if (done === undefined) throw new Error('nothing was delivered');
  await stage.handle(done);

  await stage.spawn({ CONSUMER_IDLE: '1s' });
  const names = async () => {
    const [status] = await stage.streams.groups('events:user');
    return status?.consumers.map(({ name }) => name);
  };

  await eventually(async () => (await names())?.includes('gone') === false);
  expect(await names()).toEqual(['holding']);
});
