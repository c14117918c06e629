import { loadRetention, recordArchived, registerGroup } from '@event-bus/database';
import { eventually } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, type SeenEntry, sound } from '../testing.ts';
import { type PruneReport, prune } from './prune.ts';

const stream = 'events:user';
const dayMs = 86_400_000;

let bench: Bench;
let transport: ReturnType<typeof createRedisTransport>;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  transport = createRedisTransport({ url: bench.redis.url, commandTimeoutMs: 30_000 });
});

afterEach(async () => {
  await transport.close();
  await bench.close();
});

/** Until no lock is in the way: a look that does not get one at once leaves the partition to the next. */
async function pruneNow(keepMs = 7 * dayMs): Promise<PruneReport> {
  const dropped: string[] = [];
  let defaultRows = 0;
  let forgottenBatches = 0;
  const report = await eventually(async () => {
    const found = await pruneOnce(keepMs);
    dropped.push(...found.dropped);
    defaultRows += found.defaultRows;
    forgottenBatches += found.forgottenBatches;
    return !found.kept.some(({ kind }) => kind === 'lock') && found;
  });
  return { ...report, dropped, defaultRows, forgottenBatches };
}

const pruneOnce = (keepMs: number): Promise<PruneReport> =>
  prune({
    pool: bench.database.pool,
    db: bench.db,
    bus: bench.db,
    streams: transport.observer(),
    source: 'bench',
    keepMs,
  });

/** Changes rows as no producer could. */
async function asSuperuser(...statements: readonly string[]): Promise<void> {
  const client = await bench.database.pool.connect();
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    await client.query("set local timezone = 'UTC'");
    for (const statement of statements) await client.query(statement);
    await client.query('commit');
  } finally {
    client.release();
  }
}

/** By its date, asked once: it is another one after midnight. */
const dayOf = (daysAgo: number) => new Date(Date.now() - daysAgo * dayMs).toISOString().slice(0, 10);

async function makePartition(date: string): Promise<string> {
  const name = `outbox_events_p${date.replaceAll('-', '')}`;
  const bounds = `from ('${date}') to ('${date} 24:00')`;
  await asSuperuser(`create table if not exists ${name} partition of outbox_events for values ${bounds}`);
  return name;
}

/** Makes all events that are new, and their batches, events of some days ago. */
async function age(daysAgo: number, partition = true): Promise<string> {
  const date = dayOf(daysAgo);
  const name = partition ? await makePartition(date) : 'outbox_events_default';
  const shift = `'${date} 12:00'::timestamptz`;
  await asSuperuser(
    `update outbox_events set inserted_at = ${shift} where inserted_at > now() - interval '1 day'`,
    `update outbox_batches set written_at = ${shift} where written_at > now() - interval '1 day'`,
  );
  return name;
}

async function published(): Promise<true> {
  return eventually(async () => {
    expect((await audit(bench)).unpublished).toEqual([]);
    return true;
  });
}

async function redis(...command: readonly [string, ...string[]]): Promise<unknown> {
  const client = bench.redis.client();
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

async function addGroup(group: string): Promise<void> {
  await registerGroup(bench.db, {
    name: group,
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  await redis('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM');
}

const lastEntry = async () => (await bench.entries(stream)).at(-1) as SeenEntry;

/** Records as an archiver does that all is archived up to an entry, and up to an event of the outbox. */
async function archived(entryId: string, { position, eventId }: Pick<SeenEntry, 'position' | 'eventId'>) {
  const before = (await loadRetention(bench.db, stream))?.archived ?? null;
  const lastOf = new Map([['bench', { position, eventId }]]);
  expect(await recordArchived(bench.db, stream, { from: before, to: { entryId, eventId }, lastOf })).toBe(
    true,
  );
}

/** Hands out all that a group lacks and acknowledges it, but for some at the end. */
async function acknowledge(group: string, allBut = 0): Promise<void> {
  await redis('XREADGROUP', 'GROUP', group, 'c', 'COUNT', '10000', 'STREAMS', stream, '>');
  const pending = await transport.observer().pending({ stream, group }, null, 10_000);
  const ids = pending.map(({ id }) => id);
  const settled = ids.slice(0, ids.length - allBut);
  if (settled.length > 0) await redis('XACK', stream, group, ...settled);
}

const rows = async () => {
  const { rows: found } = await sql<{ count: string }>`select count(*) from outbox_events`.execute(bench.db);
  return Number(found[0]?.count);
};

const exists = async (name: string) => {
  const { rows: found } = await sql<{
    found: boolean;
  }>`select to_regclass(${name}) is not null as found`.execute(bench.db);
  return found[0]?.found === true;
};

/** Ten events of ten days ago that one group has settled. */
async function oldAndSettled(): Promise<string> {
  bench.start();
  await addGroup('mail');
  await bench.insert(Array.from({ length: 10 }, (_, n) => `old-${n}`));
  await published();
  await acknowledge('mail');
  return age(10);
}

describe('a partition whose events are published and settled by every group', () => {
  test('is dropped once it is older than the window, and the whole bus is told', async () => {
    const name = await oldAndSettled();
    await bench.insert(['new']);
    await published();

    expect(await pruneNow(20 * dayMs)).toMatchObject({ dropped: [], kept: [] });
    expect(await pruneNow()).toMatchObject({ dropped: [name], kept: [] });
    expect(await exists(name)).toBe(false);
    expect(await rows()).toBe(1);
    const floors = await bench.db.selectFrom('outbox_floors').selectAll().execute();
    expect(floors.at(-1)).toMatchObject({ source: 'bench', position: '10' });
  });

  test('is kept, with the reason, while a group has not acknowledged one of them, is missing, cannot be looked at, or there is none', async () => {
    const name = await oldAndSettled();
    await addGroup('sms');
    await acknowledge('sms', 1);
    const [entry] = (await bench.entries(stream)).slice(-1);

    const { dropped, kept } = await pruneNow();
    expect({ dropped, kept }).toMatchObject({ dropped: [], kept: [{ partition: name, kind: 'unsettled' }] });
    expect(kept[0]?.reason).toContain(`group sms has not acknowledged entry ${entry?.id}`);

    await redis('XGROUP', 'DESTROY', stream, 'sms');
    expect((await pruneNow()).kept[0]?.reason).toContain('group sms is missing on the server');
    await redis('RENAME', stream, 'aside');
    await redis('SET', stream, 'x');
    expect((await pruneNow()).kept[0]?.reason).toContain('the stream cannot be read: WRONGTYPE');
    await redis('RENAME', 'aside', stream);
    await sql`delete from consumer_groups`.execute(bench.db);
    expect((await pruneNow()).kept[0]?.reason).toContain('no group is registered that reads it');
    expect(await rows()).toBe(10);
  });

  test('is dropped although a group lags, if the archive has them', async () => {
    const name = await oldAndSettled();
    await addGroup('sms');
    const newest = await lastEntry();
    await archived(newest.id, { position: 9, eventId: 'another' });
    expect((await pruneNow()).dropped).toEqual([]);
    // As a copy that somebody wrote who died before it was recorded.
    await archived('1-1', newest);
    expect((await pruneNow()).dropped).toEqual([]);
    await archived(newest.id, newest);

    expect((await pruneNow()).dropped).toEqual([name]);
  });

  test('is kept while a stream lacks what was written to it last: entry IDs mean nothing then', async () => {
    const name = await oldAndSettled();
    await sql`update outbox_batches set last_event_id = gen_random_uuid()`.execute(bench.db);

    const { kept } = await pruneNow();
    expect(kept).toMatchObject([{ partition: name, kind: 'unsettled' }]);
    expect(kept[0]?.reason).toContain('does not hold what was written to it last');
  });
});

test('an event that a long transaction commits late into an old partition is published before that goes', async () => {
  const name = await oldAndSettled();
  const late = await bench.database.pool.connect();
  await late.query('begin');
  await late.query('set local session_replication_role = replica');
  await late.query(`insert into outbox_events (position, event_id, aggregate_type, aggregate_id, event_type, tenant_id,
      actor_id, payload, inserted_at, slot)
    select nextval('outbox_position'), gen_random_uuid(), 'user', 'late', 'test.happened', 'acme', 'alice', '{}',
      (select max(inserted_at) from ${name}), 0 where pg_current_xact_id() is not null`);
  // The cursor passes it, and all that can be seen is settled.
  await bench.insert(['new']);
  await published();
  await acknowledge('mail');

  const before = await pruneOnce(7 * dayMs);
  expect(before).toMatchObject({ dropped: [], kept: [{ partition: name, kind: 'lock' }] });
  expect(before.kept[0]?.reason).toContain('lock');
  await late.query('commit');
  late.release();
  await published();
  expect(await rows()).toBe(12);
  const between = await pruneNow();
  expect(between.kept[0]?.reason).toMatch(/at position 11 in events:user is neither archived nor settled/);
  await acknowledge('mail');

  expect((await pruneNow()).dropped).toEqual([name]);
  expect((await bench.entries(stream)).map(({ position }) => position).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 12 }, (_, n) => n + 1),
  );
});

test('an event that the publisher has not got to yet keeps its partition', async () => {
  const publisher = bench.start();
  await bench.insert(['first']);
  await published();
  await publisher.stop();
  await addGroup('mail');
  await acknowledge('mail');
  await sql`update outbox_cursor set position = 0`.execute(bench.db);
  await sql`delete from outbox_batches`.execute(bench.db);
  const name = await age(10);

  const { kept } = await pruneNow();
  expect(kept).toMatchObject([{ partition: name, kind: 'unpublished' }]);
  expect(kept[0]?.reason).toContain('is not published yet');
});

test('a parked event keeps its partition, until it was retried and settled', async () => {
  bench.start({ maxEntryBytes: 600 });
  await addGroup('mail');
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'ann', 'test.happened', 'acme', 'alice', ${JSON.stringify({ x: 'x'.repeat(2_000) })}::json)`.execute(
    bench.db,
  );
  await bench.insert(['bob']);
  await eventually(
    async () => (await bench.db.selectFrom('outbox_parked').selectAll().execute()).length === 1,
  );
  await eventually(async () => (await bench.entries(stream)).length === 1);
  await acknowledge('mail');
  const name = await age(10);

  const { kept } = await pruneNow();
  expect(kept).toMatchObject([{ partition: name, kind: 'parked' }]);
  expect(kept[0]?.reason).toMatch(/^event .* at position 1 is parked: too large/);
});

test('old rows of the default partition go one by one, and what is not settled stays', async () => {
  bench.start();
  await addGroup('mail');
  await bench.insert(['a', 'b', 'c']);
  await published();
  await acknowledge('mail');
  await bench.insert(['d']);
  await published();
  await age(10, false);

  const report = await pruneNow();
  expect(report).toMatchObject({
    defaultRows: 3,
    kept: [{ partition: 'outbox_events_default', kind: 'unsettled' }],
  });
  expect(await rows()).toBe(1);
  await acknowledge('mail');
  expect(await pruneNow()).toMatchObject({ defaultRows: 1, kept: [] });
});

test('who dies between emptying and dropping a partition, or before the batches are forgotten, leaves nothing behind', async () => {
  const name = await oldAndSettled();
  await bench.insert(['new']);
  await published();
  // Until no lock is in the way.
  await eventually(async () => {
    await sql`select * from outbox_empty_partition(${name}, ${[stream]}::text[], ${[1_000]}::bigint[], ${['']}::text[])`.execute(
      bench.db,
    );
    return (await rows()) === 1;
  });
  expect(await exists(name)).toBe(true);

  expect((await pruneNow()).dropped).toEqual([name]);
  expect(await exists(name)).toBe(false);
});

test('batches of what is gone go too, but for the newest of them and what a backup may end with', async () => {
  bench.start({ pageSize: 2 });
  await addGroup('mail');
  for (let n = 0; n < 5; n += 1) await bench.insert([`a-${n}`, `b-${n}`]);
  await published();
  await acknowledge('mail');
  await age(10);
  await bench.insert(['new']);
  await published();
  const batches = async () =>
    (await bench.db.selectFrom('outbox_batches').select('number').orderBy('number').execute()).length;
  const before = await batches();
  const { forgottenBatches } = await pruneNow();

  expect(before).toBeGreaterThan(2);
  expect(await batches()).toBe(2);
  expect(forgottenBatches).toBe(before - 2);
});

test('two that prune at once disturb neither each other nor producers', async () => {
  const name = await oldAndSettled();
  const reports = await Promise.all([pruneNow(), pruneNow()]);

  expect(reports.flatMap(({ dropped }) => dropped)).toContain(name);
  expect(await exists(name)).toBe(false);
});

test('after a FLUSHALL what is dropped is not missed, and what is not is published again exactly', async () => {
  await oldAndSettled();
  await bench.insert(['new-1', 'new-2', 'new-3']);
  await published();
  await acknowledge('mail');
  await pruneNow();
  await redis('FLUSHALL');

  await eventually(async () => {
    expect(await audit(bench)).toMatchObject({ ...sound, repeated: [] });
    return true;
  });
  expect((await bench.entries(stream)).map(({ position }) => position)).toEqual([11, 12, 13]);
  expect(bench.logs.filter(({ level }) => level === 'error' || level === 50)).toEqual([]);
  await bench.insert(['after']);
  await published();
});

test('a FLUSHALL that takes what only the archive has is told, once, and nothing stands still', async () => {
  const name = await oldAndSettled();
  await addGroup('sms');
  await sql`delete from outbox_settled`.execute(bench.db);
  const newest = await lastEntry();
  await archived(newest.id, newest);
  expect((await pruneNow()).dropped).toEqual([name]);
  await bench.insert(['new']);
  await published();
  await redis('FLUSHALL');

  await eventually(async () => (await bench.entries(stream)).length === 1);
  await bench.insert(['after']);
  await eventually(async () => (await bench.entries(stream)).length === 2);
  const told = bench.logs.filter(({ msg }) =>
    String(msg).startsWith('a stream lost events that the outbox no longer has'),
  );
  expect(told).toHaveLength(1);
});

test('a FLUSHALL that takes what a group that came later has yet to read is told', async () => {
  const name = await oldAndSettled();
  expect((await pruneNow()).dropped).toEqual([name]);
  await addGroup('late');
  await pruneNow();
  await redis('FLUSHALL');

  await eventually(() =>
    bench.logs.some(({ msg }) =>
      String(msg).startsWith('a stream lost events that the outbox no longer has'),
    ),
  );
});

test('a Redis that is older than the log is told as such, and what the log has is written again', async () => {
  bench.start();
  await addGroup('mail');
  await bench.insert(['first']);
  await published();
  const [old] = await bench.entries(stream);
  await bench.insert(['second']);
  await published();
  await acknowledge('mail');
  await age(10);
  await bench.insert(['third']);
  await published();
  await pruneNow();
  const client = bench.redis.client();
  await client
    .multi()
    .call('XDEL', stream, ...(await bench.entries(stream)).slice(1).map(({ id }) => id))
    .call('HSET', `{${stream}}:writers`, 'bench', `${old?.id} ${old?.eventId}`)
    .exec();
  client.disconnect();

  await eventually(async () =>
    (await bench.entries(stream)).some(({ aggregateId }) => aggregateId === 'third'),
  );
  await bench.insert(['fourth']);
  await published();
  expect(bench.logs.some(({ msg }) => String(msg).includes('older than OUTBOX_KEEP'))).toBe(true);
  expect(bench.logs.some(({ msg }) => String(msg).includes('PostgreSQL went back'))).toBe(false);
});

test('whoever inserts does not wait for those that the pruning waits for', async () => {
  const name = await oldAndSettled();
  const reader = await bench.database.pool.connect();
  await reader.query('begin; lock table only outbox_events in access share mode');
  const pruning = pruneOnce(7 * dayMs);

  // They come through while the reader still has its lock.
  for (let n = 0; n < 50; n += 1) await bench.insert([`p-${n}`]);
  expect((await pruning).dropped).toEqual([]);
  await reader.query('commit');
  reader.release();
  expect((await pruneNow()).dropped).toEqual([name]);
});

test('producers that insert all the time never fail', async () => {
  await oldAndSettled();
  for (let day = 11; day < 30; day += 1) await makePartition(dayOf(day));
  let inserted = 0;
  let isOver = false;
  const produce = async (name: string) => {
    while (!isOver) {
      await bench.insert([name]);
      inserted += 1;
    }
  };
  const producers = ['p', 'q', 'r'].map(produce);
  const { dropped } = await eventually(async () => {
    const report = await pruneNow();
    return report.kept.length === 0 && report;
  });
  isOver = true;
  await Promise.all(producers);
  await published();

  expect(dropped.length).toBeGreaterThan(0);
  expect(inserted).toBeGreaterThan(0);
  expect((await bench.entries(stream)).length).toBe(10 + inserted);
});
