import { randomUUID } from 'node:crypto';
import { recordArchived, recordTrimmed } from '@event-bus/database';
import { eventually } from '@event-bus/testkit';
import { compareEntryIds, ENTRY_FIELDS, type EntryValues } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { surveyStream } from './reconcile.ts';
import { type Bench, createBench, type SeenEntry } from './testing.ts';

const stream = 'events:user';
const writers = `{${stream}}:writers`;

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

/** Publishes in batches of five, and gives back what stands in the stream then. */
async function publish(count: number): Promise<SeenEntry[]> {
  const before = await bench.entries(stream);
  await bench.insert(Array.from({ length: count }, (_, n) => `agg-${n % 7}`));
  const publisher = bench.start({ pageSize: 5 });
  const entries = await standing(before.length + count);
  await publisher.stop();
  return entries;
}

const standing = (count: number) =>
  eventually(async () => {
    const entries = await bench.entries(stream);
    return entries.length >= count && entries;
  });

/** What an archiver records of a stream and does to it: everything up to the anchor is archived. */
async function trim(
  upTo: SeenEntry,
  anchor: SeenEntry,
  {
    source = 'bench',
    onlyRecorded = false,
  }: { readonly source?: string; readonly onlyRecorded?: boolean } = {},
) {
  const lastOf = (entry: SeenEntry) => new Map([[source, entry]]);
  await recordArchived(bench.db, stream, {
    from: null,
    to: { entryId: anchor.id, eventId: anchor.eventId },
    lastOf: lastOf(anchor),
  });
  await recordTrimmed(bench.db, stream, { from: null, to: upTo.id, lastOf: lastOf(upTo) });
  if (onlyRecorded) return;
  const transport = createRedisTransport({ url: bench.redis.url });
  const result = await transport
    .trimmer()
    .trim(stream, { upTo: upTo.id, anchor, groups: [], bystanders: [] });
  await transport.close();
  expect(result.outcome).toBe('trimmed');
}

const redis = async (...[name, ...args]: [string, ...(string | Buffer)[]]): Promise<unknown> => {
  const client = bench.redis.client();
  try {
    return await client.callBuffer(name, ...args);
  } finally {
    client.disconnect();
  }
};

const eventIdsOf = (entries: readonly SeenEntry[]) => entries.map(({ eventId }) => eventId);
const trimmedTo = async () => String(await redis('HGET', writers, '@trimmed'));
const at = (entries: readonly SeenEntry[], index: number) => {
  const entry = entries.at(index);
  if (entry === undefined) throw new Error(`there is no entry ${index}`);
  return entry;
};

test.each([
  ['in the middle of a batch', 6, 5],
  ['at the end of a batch', 9, 10],
  ['before the end of the first batch', 0, 0],
  ['just before the newest entry', 18, 15],
])(
  'a Redis that has lost everything gets back the batches that were not trimmed whole, and nothing else: trimmed %s',
  async (_, index, begin) => {
    const entries = await publish(20);
    await trim(at(entries, index), at(entries, 18));
    await redis('FLUSHALL');

    const first = bench.start({ pageSize: 5 });
    const rest = eventIdsOf(entries.slice(begin));
    await standing(rest.length);
    const later = await bench.insert(['agg-1']);
    const found = await standing(rest.length + 1);
    await first.stop();

    expect(eventIdsOf(found)).toEqual([...rest, ...later]);
    expect(await trimmedTo()).toBe(at(entries, index).id);

    // The batch that straddles the trim has moved; it is found again by the same event.
    await redis('FLUSHALL');
    bench.start({ pageSize: 5 });
    expect(eventIdsOf(await standing(rest.length + 1))).toEqual([...rest, ...later]);
  },
);

/** Writes events as another outbox of the stream does. */
async function publishAsAnother(count: number): Promise<void> {
  const transport = createRedisTransport({ url: bench.redis.url });
  const entries = Array.from({ length: count }, (_, n) => {
    const values: Readonly<Record<string, string>> = {
      event_id: randomUUID(),
      source: 'another',
      position: String(n + 1),
      aggregate_id: `other-${n}`,
    };
    return ENTRY_FIELDS.map((name) => values[name] ?? '') as unknown as EntryValues;
  });
  const expected = { eventId: null, present: false };
  await transport.writer().append(stream, { source: 'another', expect: expected, entries });
  await transport.close();
}

/** What the publisher that comes then has written back, once it has published a later event. */
async function untilPublished(): Promise<string[]> {
  bench.start({ pageSize: 5 });
  const [later = ''] = await bench.insert(['later']);
  return eventually(async () => {
    const found = eventIdsOf(await bench.entries(stream));
    return found.includes(later) && found;
  });
}

test('what was lost while the publisher was away is written again, though of what another wrote since some was trimmed', async () => {
  const lost = await publish(20);
  await redis('FLUSHALL');
  await publishAsAnother(10);
  const since = await bench.entries(stream);
  await trim(at(since, 5), at(since, 8), { source: 'another' });

  expect(await untilPublished()).toEqual(expect.arrayContaining(eventIdsOf(lost)));
});

test('what an interrupted reconcile had yet to write is written, though of what it wrote some was trimmed', async () => {
  const all = await publish(20);
  await redis('FLUSHALL');
  // As one that was killed behind its first two batches leaves it.
  await bench.database.pool.query('create table others as select * from outbox_batches where number > 2');
  await bench.database.pool.query('delete from outbox_batches where number > 2');
  const first = bench.start({ pageSize: 5 });
  const written = await standing(10);
  await first.stop();
  await bench.database.pool.query('insert into outbox_batches select * from others');
  await trim(at(written, 6), at(written, 8));

  const rest = eventIdsOf(all.slice(7));
  expect(await untilPublished()).toEqual(expect.arrayContaining(rest));
});

test('what a batch holds beside a copy that was trimmed is written again: whoever wrote the copy died before it was recorded', async () => {
  const first = bench.start({ sessionTimeoutMs: 60_000 });
  await eventually(() => bench.logs.some(({ msg }) => String(msg).startsWith('leading')));
  const late = await bench.database.pool.connect();
  await late.query('begin');
  await late.query(`insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
    values ('user', 'late', 'test.happened', 'acme', 'alice', '{}')`);
  const blocker = await bench.database.pool.connect();
  await blocker.query('begin; select from outbox_cursor for update');
  await bench.insert(['a', 'b']);
  await standing(2);
  await late.query('commit');
  late.release();
  await eventually(async () => {
    const { rowCount } = await blocker.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%update outbox_cursor set position%'`);
    return rowCount === 1;
  });
  await blocker.query('commit');
  blocker.release();
  const entries = await standing(5);
  await first.stop();
  expect(entries.map(({ aggregateId }) => aggregateId)).toEqual(['a', 'b', 'late', 'a', 'b']);

  await trim(at(entries, 1), at(entries, 4));
  await redis('FLUSHALL');

  expect(await untilPublished()).toEqual(expect.arrayContaining([at(entries, 2).eventId]));
});

test('a trim that was recorded and never done is not taken for loss', async () => {
  const entries = await publish(10);
  await trim(at(entries, 6), at(entries, 8), { onlyRecorded: true });
  await redis('DEL', stream, writers);

  bench.start({ pageSize: 5 });

  expect(eventIdsOf(await standing(5))).toEqual(eventIdsOf(entries.slice(5)));
});

test('a Redis from before the trim keeps what it has, and gets only what it lacks', async () => {
  const old = await publish(12);
  const [dumpOfStream, dumpOfWriters] = [await redis('DUMP', stream), await redis('DUMP', writers)];
  const entries = await publish(8);
  await trim(at(entries, 14), at(entries, 16));
  await redis('FLUSHALL');
  await redis('RESTORE', stream, '0', dumpOfStream as Buffer);
  await redis('RESTORE', writers, '0', dumpOfWriters as Buffer);

  bench.start({ pageSize: 5 });
  const found = await standing(20);

  expect(eventIdsOf(found)).toEqual([...eventIdsOf(old), ...eventIdsOf(entries.slice(12))]);
  expect(await trimmedTo()).toBe(at(entries, 14).id);
});

test('a stream of which all that is recorded was trimmed goes on with the next event', async () => {
  const entries = await publish(10);
  const newest = at(entries, -1);
  await trim(newest, newest, { onlyRecorded: true });
  await redis('FLUSHALL');

  bench.start({ pageSize: 5 });
  const later = await bench.insert(['agg-1']);

  expect(eventIdsOf(await standing(1))).toEqual(later);
});

test('a look at a stream does not call missing what was trimmed, though Redis forgot that it was', async () => {
  const entries = await publish(10);
  const newest = at(entries, -1);
  await trim(at(entries, 6), newest, { onlyRecorded: true });
  await redis('FLUSHALL');
  const transport = createRedisTransport({ url: bench.redis.url });
  const parts = {
    pool: bench.database.pool,
    busDatabase: bench.db,
    writer: transport.writer(),
    source: 'bench',
  };
  const batch = { stream, number: 2, lastId: newest.id, lastEventId: newest.eventId };

  expect(await surveyStream(parts, batch)).toMatchObject({ intact: false, lostBatches: 1, lostEvents: 5 });
  await recordTrimmed(bench.db, stream, {
    from: at(entries, 6).id,
    to: newest.id,
    lastOf: new Map([['bench', newest]]),
  });
  expect(await surveyStream(parts, batch)).toMatchObject({ intact: true, lostEvents: 0 });
  await transport.close();
});

test('an event ID under a position that was given out again says nothing of what was trimmed', async () => {
  const entries = await publish(10);
  const { position } = at(entries, 6);
  const impostor = { ...at(entries, 6), eventId: '00000000-0000-4000-8000-000000000000', position };
  await recordTrimmed(bench.db, stream, {
    from: null,
    to: '1-0',
    lastOf: new Map([['bench', impostor]]),
  });
  await redis('FLUSHALL');

  bench.start({ pageSize: 5 });

  expect(eventIdsOf(await standing(10))).toEqual(eventIdsOf(entries));
});

test('no entry ID is handed out twice after a loss, though the clock of Redis was set back', async () => {
  const entries = await publish(5);
  const future = `${Date.now() + 3_600_000}-7`;
  await recordArchived(bench.db, stream, {
    from: null,
    to: { entryId: future, eventId: 'of another source' },
    lastOf: new Map(),
  });
  await redis('FLUSHALL');

  bench.start({ pageSize: 5 });
  const found = await standing(5);

  expect(eventIdsOf(found)).toEqual(eventIdsOf(entries));
  expect(found.every(({ id }) => compareEntryIds(id, future) > 0)).toBe(true);
});
