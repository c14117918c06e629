import { eventually } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { type Bench, createBench } from './testing.ts';

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const eventIds = async (stream: string) => (await bench.entries(stream)).map((entry) => entry.eventId);
const statuses = async () =>
  (
    await bench.db
      .selectFrom('outbox_status')
      .select(['aggregate_id', 'status'])
      .orderBy('position')
      .execute()
  ).map((row) => `${row.aggregate_id} ${row.status}`);

test('what was committed before it started, and what is committed later, reaches its stream in order', async () => {
  const before = await bench.insert(['ann', 'bob']);
  bench.start();
  await eventually(async () => (await bench.entries('events:user')).length === 2);
  const later = await bench.insert(['cyd']);
  const other = await bench.insert(['p-1'], 'project');
  await eventually(async () => (await bench.entries('events:project')).length === 1);

  expect(await eventIds('events:user')).toEqual([...before, ...later]);
  expect(await eventIds('events:project')).toEqual(other);
  await eventually(async () => (await statuses()).every((status) => status.endsWith('published')));
});

test('an entry carries every field, the payload as it was written, and absent ones as empty strings', async () => {
  bench.start();
  await sql`insert into outbox_events
    (event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at)
    values ('018f0000-0000-7000-8000-000000000001', 'user', 'änn', 'user.created', 2, 'acme', 'alice',
      '{"b": 1,   "a": "é\u2028"}', '{"correlation_id": "c-1"}', '2026-02-03 04:05:06.789012+02')`.execute(
    bench.db,
  );
  const client = bench.redis.client();
  const raw = await eventually(async () => {
    const found = (await client.call('XRANGE', 'events:user', '-', '+')) as [string, string[]][];
    return found[0]?.[1];
  });
  client.disconnect();

  const pairs = Array.from({ length: raw.length / 2 }, (_, n) => raw.slice(2 * n, 2 * n + 2));
  expect(pairs).toEqual([
    ['event_id', '018f0000-0000-7000-8000-000000000001'],
    ['source', 'bench'],
    ['position', '1'],
    ['event_type', 'user.created'],
    ['event_version', '2'],
    ['aggregate_type', 'user'],
    ['aggregate_id', 'änn'],
    ['tenant_id', 'acme'],
    ['actor_id', 'alice'],
    ['occurred_at', '2026-02-03T02:05:06.789012Z'],
    ['payload', '{"b": 1,   "a": "é\u2028"}'],
    ['traceparent', ''],
    ['tracestate', ''],
    ['correlation_id', 'c-1'],
    ['causation_id', ''],
  ]);
});

test('a transaction that commits late is published, and nothing waits for it', async () => {
  bench.start();
  const late = await bench.db.startTransaction().execute();
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'late', 'test.happened', 'acme', 'alice', '{}')`.execute(late);
  const meanwhile = await bench.insert(['ann', 'bob']);
  await eventually(async () => (await bench.entries('events:user')).length === 2);
  expect(await eventIds('events:user')).toEqual(meanwhile);
  await eventually(async () => (await bench.db.selectFrom('outbox_gaps').selectAll().execute()).length === 1);
  await late.commit().execute();

  await eventually(async () => (await bench.entries('events:user')).length === 3);
  expect((await bench.entries('events:user')).map((entry) => entry.position)).toEqual([2, 3, 1]);
  await eventually(async () => (await bench.db.selectFrom('outbox_gaps').selectAll().execute()).length === 0);
});

test('the gap of a transaction that rolled back is closed', async () => {
  bench.start();
  const doomed = await bench.db.startTransaction().execute();
  await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'doomed', 'test.happened', 'acme', 'alice', '{}' from generate_series(1, 20)`.execute(
    doomed,
  );
  await bench.insert(['ann']);
  await eventually(async () => {
    const gaps = await bench.db.selectFrom('outbox_gaps').select(['first', 'last']).execute();
    return gaps.length === 1 && gaps[0]?.first === '1' && gaps[0].last === '20';
  });
  await doomed.rollback().execute();

  await eventually(async () => (await bench.db.selectFrom('outbox_gaps').selectAll().execute()).length === 0);
  expect((await bench.entries('events:user')).map((entry) => entry.aggregateId)).toEqual(['ann']);
});

test('gaps that were recorded in another cluster are decided anew', async () => {
  await bench.insert(['ann', 'bob', 'cyd']);
  await sql`update outbox_cursor set position = 3, source = 'bench'`.execute(bench.db);
  await sql`insert into outbox_gaps (first, last, xid, system_identifier) values
    (2, 2, '9000000000', 1), (4, 5, '9000000000', 1)`.execute(bench.db);
  await sql`select setval('outbox_position', 5)`.execute(bench.db);
  bench.start();

  await eventually(async () => (await bench.entries('events:user')).length === 1);
  expect((await bench.entries('events:user')).map((entry) => entry.aggregateId)).toEqual(['bob']);
  await eventually(async () => (await bench.db.selectFrom('outbox_gaps').selectAll().execute()).length === 0);
});

test.each([{ pageSize: 50 }, { pageBytes: 500 }])(
  'an import that fills one large gap is published before what came after it on the same aggregate: %o',
  async (page) => {
    bench.start(page);
    const bulk = await bench.db.startTransaction().execute();
    await sql`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', 'agg-' || n, 'test.happened', 'acme', 'alice', '{}' from generate_series(1, 1000) n`.execute(
      bulk,
    );
    await bench.insert(['other']);
    await eventually(async () => (await bench.entries('events:user')).length === 1);
    await bulk.commit().execute();
    await bench.insert(['agg-1000', 'agg-1', 'agg-500']);
    await eventually(async () => (await bench.entries('events:user')).length === 1_004);

    const seen = await bench.entries('events:user');
    for (const aggregate of ['agg-1', 'agg-500', 'agg-1000']) {
      const positions = seen
        .filter((entry) => entry.aggregateId === aggregate)
        .map((entry) => entry.position);
      expect(positions).toEqual([...positions].sort((a, b) => a - b));
      expect(positions).toHaveLength(2);
    }
  },
);

test('an event that is too large is parked with its reason, holds back only its aggregate, and a retry brings it back in order', async () => {
  const publisher = bench.start({ maxEntryBytes: 2_000 });
  const insertLarge = sql<{ event_id: string }>`insert into outbox_events
    (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'ann', 'test.happened', 'acme', 'alice', to_json(repeat('x', 3000))) returning event_id`;
  await insertLarge.execute(bench.db);
  await bench.insert(['ann', 'bob', 'ann']);
  await eventually(async () => (await bench.entries('events:user')).length === 1);
  await eventually(
    async () => (await statuses()).join() === 'ann parked,ann parked,bob published,ann parked',
  );
  const parked = await bench.db.selectFrom('outbox_parked').selectAll().orderBy('position').execute();
  expect(parked[0]).toMatchObject({ behind: null });
  expect(parked[0]?.reason).toMatch(/too large: the entry has \d+ bytes, more than MAX_ENTRY_BYTES \(2000\)/);
  expect(parked.slice(1).every((row) => row.behind === parked[0]?.event_id)).toBe(true);

  const retry = sql`update outbox_parked set retry_requested_at = now()`;
  await retry.execute(bench.db);
  await eventually(async () => {
    const rows = await bench.db.selectFrom('outbox_parked').selectAll().execute();
    return rows.length === 3 && rows.every((row) => row.retry_requested_at === null);
  });
  expect(await bench.entries('events:user')).toHaveLength(1);

  await publisher.stop();
  bench.start({ maxEntryBytes: 10_000 });
  await bench.insert(['ann']);
  await eventually(
    async () => (await bench.db.selectFrom('outbox_parked').selectAll().execute()).length === 4,
  );
  await retry.execute(bench.db);
  await eventually(async () => (await bench.entries('events:user')).length === 5);
  expect((await bench.entries('events:user')).map((entry) => entry.position)).toEqual([3, 1, 2, 4, 5]);
  await bench.insert(['ann']);
  await eventually(async () => (await bench.entries('events:user')).length === 6);
  expect(await bench.db.selectFrom('outbox_parked').selectAll().execute()).toEqual([]);
});

test('a parked event that has left the log is forgotten when it is retried, and its aggregate goes on without it', async () => {
  const publisher = bench.start({ maxEntryBytes: 2_000 });
  await sql`insert into outbox_events
    (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    select 'user', a, 'test.happened', 'acme', 'alice', to_json(repeat('x', 3000))
    from unnest('{ann,bob,bob}'::text[]) a`.execute(bench.db);
  await bench.insert(['ann']);
  const parked = () => bench.db.selectFrom('outbox_parked').select('position').execute();
  await eventually(async () => (await parked()).length === 4);
  await publisher.stop();
  await sql`delete from outbox_events where position in (1, 3)`.execute(bench.db);
  await sql`update outbox_parked set retry_requested_at = now()`.execute(bench.db);
  // A page of one: what is gone is told from what did not fit into the page.
  bench.start({ maxEntryBytes: 10_000, pageBytes: 1 });

  await eventually(async () => (await parked()).length === 0);
  expect((await bench.entries('events:user')).map((entry) => entry.position)).toEqual([2, 4]);
  expect(bench.logs.filter((line) => String(line.msg).startsWith('forgotten'))).toMatchObject([
    { aggregateType: 'user', aggregateId: 'ann' },
    { aggregateType: 'user', aggregateId: 'bob' },
  ]);
  await bench.insert(['ann', 'bob']);
  await eventually(async () => (await bench.entries('events:user')).length === 4);
});

test('a stream that refuses every write parks its events, others go on, and a retry brings them back', async () => {
  const client = bench.redis.client();
  await client.set('events:user', 'not a stream');
  bench.start();
  await bench.insert(['ann', 'bob', 'ann']);
  await bench.insert(['p-1'], 'project');
  await eventually(async () => (await bench.entries('events:project')).length === 1);
  await eventually(
    async () => (await bench.db.selectFrom('outbox_parked').selectAll().execute()).length === 3,
  );
  const reasons = await bench.db.selectFrom('outbox_parked').select('reason').orderBy('position').execute();
  expect(reasons[0]?.reason).toMatch(/WRONGTYPE/);
  expect(reasons[2]?.reason).toMatch(/waits behind/);

  await client.del('events:user');
  client.disconnect();
  await sql`update outbox_parked set retry_requested_at = now()`.execute(bench.db);
  await eventually(async () => (await bench.entries('events:user')).length === 3);
  expect((await bench.entries('events:user')).map((entry) => entry.position)).toEqual([1, 2, 3]);
});

test('a sequence that is behind the cursor is refused with what to do', async () => {
  await sql`update outbox_cursor set position = 1000`.execute(bench.db);

  await expect(bench.start().ended).rejects.toThrow(
    /outbox_position.*behind the published position 1000.*setval/,
  );
});

test('an outbox that was published under another name is refused with that name', async () => {
  await sql`update outbox_cursor set source = 'billing'`.execute(bench.db);

  await expect(bench.start().ended).rejects.toThrow(/OUTBOX_SOURCE=billing/);
});

test('two publishers on one outbox publish each event once, and the second takes over when the first stops', async () => {
  const first = bench.start();
  await eventually(() => bench.logs.some((line) => String(line.msg).startsWith('leading')));
  bench.start();
  const before = await bench.insert(['ann', 'bob']);
  await eventually(async () => (await bench.entries('events:user')).length === 2);
  await first.stop();
  const after = await bench.insert(['ann']);
  await eventually(async () => (await bench.entries('events:user')).length === 3);

  expect(await eventIds('events:user')).toEqual([...before, ...after]);
});

test('a leader that cannot record anything leads again ever more slowly, until it has recorded something', async () => {
  const obstruct = () =>
    sql`create trigger obstacle before insert on outbox_batches execute function outbox_refuse_change()`.execute(
      bench.db,
    );
  const failures = () =>
    bench.logs.filter((line) => String(line.msg).startsWith('cannot lead')).map((line) => line.failures);
  await obstruct();
  bench.start();
  await bench.insert(['ann']);
  await eventually(() => failures().length >= 4);
  await sql`drop trigger obstacle on outbox_batches`.execute(bench.db);
  await eventually(async () => (await statuses()).every((status) => status.endsWith('published')));
  const before = failures();
  await obstruct();
  await bench.insert(['bob']);
  await eventually(() => failures().length > before.length + 1);

  expect(before).toEqual(before.map((_, index) => index + 1));
  expect(failures().slice(before.length, before.length + 2)).toEqual([1, 2]);
});

test('a leader whose session is ended follows and leads again, and warns of nothing', async () => {
  const leading = () => bench.logs.filter((line) => String(line.msg).startsWith('leading')).length;
  bench.start();
  await eventually(() => leading() === 1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'bench-publisher-1'`.execute(bench.db);
  await eventually(() => leading() === 2);

  expect(
    bench.logs.filter(({ msg }) => /^(following|cannot lead)/.test(String(msg))).map(({ level }) => level),
  ).toEqual(['info']);
});

test('topics with several partitions are spread by slot', async () => {
  await bench.db.insertInto('topics').values({ name: 'order', partitions: 4 }).execute();
  bench.start();
  await bench.insert(
    Array.from({ length: 100 }, (_, n) => `o-${n}`),
    'order',
  );
  await eventually(async () => {
    const lengths = await Promise.all(
      [0, 1, 2, 3].map(async (k) => (await bench.entries(`events:order:${k}`)).length),
    );
    return lengths.reduce((sum, length) => sum + length, 0) === 100 && lengths.every((length) => length > 0);
  });
  const slots = await bench.db.selectFrom('outbox_events').select(['aggregate_id', 'slot']).execute();
  const third = await bench.entries('events:order:3');

  expect(third.map((entry) => entry.aggregateId).sort()).toEqual(
    slots
      .filter((row) => row.slot % 4 === 3)
      .map((row) => row.aggregate_id)
      .sort(),
  );
});

test('a batch that a predecessor wrote without a row that has become visible since is not taken for the same', async () => {
  const [late = '', ...others] = await bench.insert(['late', 'ann', 'bob']);
  const transport = createRedisTransport({ url: bench.redis.url });
  const rest = ['test.happened', '1', 'user', 'x', 'acme', 'alice', '2026-01-01T00:00:00.000000Z', '{}'];
  const written = others.map((eventId, index) =>
    [eventId, 'bench', String(index + 2)].concat(rest, ['', '', '', '']),
  );
  const predecessor = { source: 'bench', expect: { eventId: null, present: true }, entries: written };
  await transport.writer().append('events:user', predecessor);
  await transport.close();
  bench.start();

  await eventually(async () => (await statuses()).every((status) => status.endsWith('published')));
  expect(await eventIds('events:user')).toContain(late);
});
