import { setTimeout as delay } from 'node:timers/promises';
import { eventually, type ServiceProcess } from '@event-bus/testkit';
import { derivedKeys, placeKey } from '@event-bus/transport';
import { sql } from 'kysely';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { createStage, eventFields, type Stage, type TestEntry } from './testing.ts';

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
  eventually(() => areDead(entries), { message: `${entries.length} entries to be dead`, timeoutMs });

/** Waits until a mover has swept so many times more. */
async function untilSwept(mover: ServiceProcess, times: number): Promise<void> {
  const sweeps = async () => {
    const port = /"port":(\d+)/.exec(mover.output())?.[1];
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/bus_dead_letters_sweep_duration_count\{.*?\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await sweeps();
  await eventually(async () => (await sweeps()) >= before + times);
}

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

test('ten thousand exhausted entries behind a hundred busy ones are all found, and the busy ones are left alone', async () => {
  stage = await createStage(inject('postgresUrl'));
  const busy = await stage.deliver(100, { consumer: 'busy' });
  const exhausted = await stage.deliver(10_000);
  await stage.age(exhausted, 5, 60_000);
  let isBusy = true;
  const keeping = (async () => {
    const kept = busy.map(({ id }) => id);
    while (isBusy) {
      await stage.reader.keep(stage.ref, 'busy', kept);
      await delay(200);
    }
  })();

  await stage.spawn();
  await eventually(async () => (await stage.letters()).size === 10_000 && (await stage.pending()) === 100, {
    timeoutMs: 50_000,
    message: 'ten thousand letters',
  });
  isBusy = false;
  await keeping;

  expect(new Set(await stage.copies()).size).toBe(10_000);
  expect([...(await stage.letters()).values()].every(({ kind }) => kind === 'crashed')).toBe(true);
  const inbox = await stage.inbox();
  expect(ids(busy).some((id) => inbox.has(id))).toBe(false);
});

test('an entry that a slow but living handler holds is never moved, however often it was delivered', async () => {
  stage = await createStage(inject('postgresUrl'));
  const [slow] = await stage.deliver(1, { consumer: 'slow' });
  const dead = await stage.deliver(1);
  if (slow === undefined) throw new Error('nothing was delivered');
  await stage.client.xclaim('events:user', 'mail', 'slow', 0, slow.id, 'RETRYCOUNT', 9, 'JUSTID');
  await stage.spawn();

  // As long as it takes to be found idle, and longer.
  for (let round = 0; round < 10; round += 1) {
    await stage.reader.keep(stage.ref, 'slow', [slow.id]);
    await stage.age(dead, 5, 60_000);
    await delay(300);
  }
  await eventually(async () => (await stage.letters()).size === 1);

  expect((await stage.inbox()).has(slow.fields.event_id ?? '')).toBe(false);
  expect(await stage.handle(slow)).toBe('handled');
});

test('movers that are killed at random leave every event dead exactly once', async () => {
  stage = await createStage(inject('postgresUrl'));
  const entries = await stage.deliver(2_000);
  await stage.fail(entries);

  for (let kills = 0; kills < 4; kills += 1) {
    const before = (await stage.letters()).size;
    const victims = await Promise.all([stage.spawn(), stage.spawn()]);
    await eventually(async () => (await stage.letters()).size > before || (await stage.pending()) === 0);
    for (const victim of victims) victim.kill('SIGKILL');
  }
  await stage.spawn();
  await untilDead(entries);

  expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
});

test('of a handler and two movers that race for an event a thousand times, exactly one wins each time', async () => {
  stage = await createStage(inject('postgresUrl'));
  await Promise.all([stage.spawn({ SWEEP_EVERY: '50ms' }), stage.spawn({ SWEEP_EVERY: '50ms' })]);
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
  await eventually(async () => (await stage.copies()).length === dead.length, {
    message: 'a copy for each that is dead, and for no other',
  });
  const [inbox, letters] = await Promise.all([stage.inbox(), stage.letters()]);
  expect(new Set(letters.keys())).toEqual(new Set(dead));
  expect(ids(entries).filter((id) => inbox.get(id) !== (handled.has(id) ? 'done' : 'dead'))).toEqual([]);
  expect(new Set(await stage.copies())).toEqual(new Set(dead));
}, 120_000);

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

test('an event whose handler is frozen with its transaction open is not given up before that ends, and others are', async () => {
  stage = await createStage(inject('postgresUrl'));
  const [frozen, ...others] = await stage.deliver(11);
  if (frozen === undefined) throw new Error('nothing was delivered');
  const thawed = Promise.withResolvers<void>();
  const handling = stage.handle(frozen, () => thawed.promise);
  await eventually(async () => {
    const { rows } = await sql`select from pg_stat_activity where state = 'idle in transaction'`.execute(
      stage.database.db,
    );
    return rows.length > 0;
  });
  await stage.fail([frozen, ...others]);
  await stage.spawn();

  await eventually(async () => (await stage.letters()).size === 10);
  expect((await stage.letters()).has(frozen.fields.event_id ?? '')).toBe(false);
  thawed.resolve();

  expect(await handling).toBe('handled');
  await eventually(async () => (await stage.pending()) === 0);
  expect((await stage.inbox()).get(frozen.fields.event_id ?? '')).toBe('done');
  expect(await stage.copies()).toHaveLength(10);
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

    await sql`update dead_letters set state = 'redriving'`.execute(stage.database.db);
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
    await eventually(async () => (await stage.letters()).size > 100);

    await stage.redis.restart();

    await untilDead(entries);
    expect(new Set(await stage.copies())).toEqual(new Set(ids(entries)));
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

test('an entry that was deleted while it was pending is acknowledged, and not looked at again', async () => {
  stage = await createStage(inject('postgresUrl'));
  const entries = await stage.deliver(3);
  await stage.fail(entries);
  await stage.client.xdel('events:user', entries[0]?.id ?? '');

  const mover = await stage.spawn();
  await eventually(async () => (await stage.pending()) === 0);

  expect(mover.output()).toContain('stand in their stream no longer');
  expect((await stage.letters()).size).toBe(2);
  expect(await stage.client.hlen(derivedKeys.failures('events:user', 'mail'))).toBe(0);
});

test('foreign entries are given up like others, each once, with all that they hold', async () => {
  stage = await createStage(inject('postgresUrl'));
  const strange: Record<string, string>[] = [
    { hello: 'world' },
    { hello: 'world' },
    { ...eventFields(), event_id: 'no-uuid' },
    { ...eventFields(), occurred_at: 'yesterday' },
    // Well formed, and nothing that PostgreSQL takes.
    { ...eventFields(), occurred_at: '2026-01-02T03:04:05+20:00' },
    { ...eventFields(), replay_id: 'with\0nul' },
    { ...eventFields(), aggregate_id: 'with\0nul', payload: '{"a":"\0"}' },
    { ...eventFields(), payload: 'x'.repeat(256 * 1024) },
  ];
  const entries = await stage.deliver(strange.length, { fields: (index) => strange[index] ?? {} });
  await stage.fail(entries, { kind: 'undecodable', error: 'Error: a \0 b' });

  await stage.spawn();
  await eventually(
    async () => (await stage.pending()) === 0 && (await stage.copies()).length === strange.length,
  );

  const rows = await stage.database.db.selectFrom('dead_letters').select(['event_id', 'fields']).execute();
  const byPlace = (fields: unknown) => JSON.stringify(fields);
  expect(rows.map(({ fields }) => byPlace(fields)).sort()).toEqual(strange.map(byPlace).sort());
  expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(strange.length);
  await eventually(async () => [...(await stage.letters()).values()].every(({ dlqId }) => dlqId !== null));
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
  const done = await stage.deliver(1, { consumer: 'gone' });
  await stage.reader.acknowledge(
    stage.ref,
    done.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' })),
  );

  await stage.spawn({ CONSUMER_IDLE: '1s' });
  const names = async () => {
    const [status] = await stage.streams.groups('events:user');
    return status?.consumers.map(({ name }) => name);
  };

  await eventually(async () => (await names())?.includes('gone') === false);
  expect(await names()).toEqual(['holding']);
});
