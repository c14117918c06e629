import { registerGroup, registerTopics } from '@event-bus/database';
import { ENTRY_FIELDS, type FailureRecord } from '@event-bus/transport';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

const failure: Omit<FailureRecord, 'eventId'> = {
  attempts: 5,
  final: true,
  isOwn: false,
  kind: 'error',
  reason: 'attempts used up',
  error: 'Error: the mail server\nsaid no',
  stack: '',
  history: [],
  firstDeliveredAt: Date.now() - 90_000,
  failedAt: Date.now() - 60_000,
  dueAt: Date.now(),
};

let bench: Workbench;
let eventIds: string[];
let entryIds: string[];

function entry(eventId: string, position: number): string[] {
  const values: Record<string, string> = {
    event_id: eventId,
    source: 'billing',
    position: String(position),
    event_type: 'user.renamed',
    aggregate_type: 'user',
    aggregate_id: `u-${position}`,
  };
  return ENTRY_FIELDS.map((name) => values[name] ?? '');
}

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  const { db } = bench.database;
  await registerTopics(db, [
    { name: 'user', partitions: 1 },
    { name: 'order', partitions: 2 },
  ]);
  for (const [name, topics] of [
    ['mail', ['user']],
    ['ledger', ['user', 'order']],
  ] as const) {
    const fixed = {
      ordering: 'none',
      startFrom: 'beginning',
      startPositions: new Map(),
      policy: {},
    } as const;
    await registerGroup(db, { name, topics, ...fixed });
  }

  eventIds = Array.from({ length: 5 }, () => crypto.randomUUID());
  const writer = bench.transport.writer();
  await writer.append('events:user', {
    source: 'billing',
    expect: { eventId: null, present: false },
    entries: eventIds.map((eventId, index) => entry(eventId, index + 1)),
  });
  const reader = bench.transport.reader();
  const mail = { stream: 'events:user', group: 'mail' };
  await reader.ensureGroup(mail, '0');
  await reader.ensureGroup({ stream: 'events:user', group: 'stray' }, '0');
  const request = { group: 'mail', consumer: 'runner-1', from: [mail], count: 4, blockMs: 100 };
  const taken = await reader.read(request);
  entryIds = taken.map(({ id }) => id);
  const [, second = '', third = '', fourth = ''] = entryIds;
  await reader.recordFailures(
    mail,
    'runner-1',
    new Map([
      [second, { ...failure, eventId: eventIds[1] ?? '' }],
      [third, { ...failure, eventId: eventIds[2] ?? '', final: false }],
      [fourth, { ...failure, eventId: eventIds[3] ?? '', reason: 'no such version', attempts: 1 }],
    ]),
  );
  await reader.release(mail, 'runner-1', [...taken.slice(1, 2), ...taken.slice(3)]);
});

afterAll(() => bench.close());

test('streams lists every partition of every topic, with its writers and its groups', async () => {
  const streams = (await bench.json(['streams'])) as Record<string, unknown>[];

  expect(streams.map(({ stream }) => stream)).toEqual(['events:order:0', 'events:order:1', 'events:user']);
  expect(streams[0]).toMatchObject({ topic: 'order', exists: false, length: 0, lastAt: null, writers: [] });
  expect(streams[2]).toMatchObject({
    topic: 'user',
    exists: true,
    length: 5,
    firstId: entryIds[0],
    writers: [{ source: 'billing', eventId: eventIds[4], position: 5 }],
    trimmedTo: null,
    groups: ['mail', 'stray'],
  });
  expect(Date.now() - Date.parse(String(streams[2]?.lastAt))).toBeLessThan(300_000);
});

test('streams for people are aligned, one a line', async () => {
  const { status, output } = await bench.bus('streams');
  const [titles = '', first, , third = ''] = output.split('\n');

  expect(status).toBe(0);
  expect(titles).toMatch(/^STREAM +LENGTH +FIRST +LAST +WRITERS +TRIMMED TO +GROUPS$/);
  expect(first).toMatch(/^events:order:0 +none +- +- +- +- +-$/);
  expect(third).toMatch(/^events:user +5 +\S+.* ago +\S+.* ago +billing \(5\) +- +mail, stray$/);
  expect(third.indexOf('billing')).toBe(titles.indexOf('WRITERS'));
});

test('a stream that the outbox has written to is listed also if nobody registered its topic', async () => {
  const other = await createWorkbench(inject('postgresUrl'));
  await other.database.pool.query(
    `insert into outbox_batches (stream, number, positions, events, last_id, last_event_id)
     values ('events:legacy', 1, '{[1,1]}', 1, '1-1', gen_random_uuid())`,
  );
  const streams = await other.json(['streams']);
  await other.close();

  expect(streams).toMatchObject([{ stream: 'events:legacy', topic: null, exists: false }]);
});

test('groups tells what is pending, failed and not handed out, and which groups are missing or strangers', async () => {
  const groups = (await bench.json(['groups'])) as Record<string, unknown>[];

  expect(groups.map(({ group, stream, state }) => [group, stream, state])).toEqual([
    ['ledger', 'events:order:0', 'missing'],
    ['ledger', 'events:order:1', 'missing'],
    ['ledger', 'events:user', 'missing'],
    ['mail', 'events:user', 'present'],
    ['stray', 'events:user', 'unregistered'],
  ]);
  expect(groups[0]).toMatchObject({ pending: null, lag: null, failed: null, consumers: [] });
  expect(groups[3]).toMatchObject({
    ordering: 'none',
    pending: 4,
    failed: 2,
    handedBack: 2,
    consumers: [{ name: 'runner-1', pending: 2 }],
    lastDeliveredId: entryIds[3],
  });
  expect([1, null]).toContain(groups[3]?.lag);
});

test('a stream that cannot be read is named, and hides no other', async () => {
  const client = bench.redis.client();
  await client.set('events:order:1', 'x');
  const streams = await bench.bus('streams');
  const groups = (await bench.json(['groups'])) as Record<string, unknown>[];
  const pending = await bench.bus('pending');
  const status = await bench.bus('retention', 'status');
  const explained = await bench.bus('retention', 'explain', '--topic', 'user');
  await client.del('events:order:1');
  client.disconnect();
  const why = 'stream events:order:1: it cannot be read: events:order:1 is a string and should be a stream; ';

  for (const { output, ...finished } of [streams, pending, status]) {
    expect(finished.status).toBe(1);
    expect(output.split(why)).toHaveLength(2);
  }
  expect(streams.output).toMatch(/^events:user +5 /m);
  expect(groups.map(({ stream, state }) => [stream, state])).toContainEqual(['events:order:1', 'unreadable']);
  expect(groups).toHaveLength(5);
  expect(pending.output).toContain(entryIds[3]);
  expect(status.output).toMatch(/^events:user +5 /m);
  expect(explained.status).toBe(0);
});

test('a lag that nobody can tell is shown as a question mark, never as 0', async () => {
  const { output } = await bench.bus('groups', '--group', 'ledger');

  expect(output.split('\n')[0]).toMatch(
    /^GROUP +STREAM +STATE +PENDING +LAG +OLDEST +RUNNERS +CONSUMERS +FAILED$/,
  );
  expect(output.split('\n')[1]).toMatch(/^ledger +events:order:0 +missing +\? +\? +- +0 +0 +\?$/);
});

test('groups of a name that nobody knows is an error that names those there are', async () => {
  const { status, output } = await bench.bus('groups', '--group', 'nobody');

  expect(status).toBe(1);
  expect(output).toBe('group nobody is not registered; registered are ledger, mail\n');
});

test('pending lists what every group was handed, oldest first, with its holder, its failure and its next attempt', async () => {
  const pending = (await bench.json(['pending'])) as Record<string, unknown>[];

  expect(pending.map(({ group, entryId, eventId }) => [group, entryId, eventId])).toEqual(
    [0, 1, 2, 3].map((n) => ['mail', entryIds[n], eventIds[n]]),
  );
  expect(pending).toMatchObject([
    { state: 'in-flight', consumer: 'runner-1', deliveries: 1, failure: null },
    {
      state: 'given-up',
      consumer: null,
      eventType: 'user.renamed',
      aggregateId: 'u-2',
      failure: { attempts: 5, reason: 'attempts used up', nextAttemptAt: null },
    },
    {
      state: 'retrying',
      consumer: 'runner-1',
      failure: { nextAttemptAt: new Date(failure.dueAt).toISOString() },
    },
    { state: 'given-up', failure: { attempts: 1, reason: 'no such version' } },
  ]);
});

test('pending of one state lists nothing else, and says how many are beyond the limit', async () => {
  const givenUp = await bench.bus('pending', 'mail', '--state', 'given-up', '--limit', '1');
  const limited = await bench.json(['pending', 'mail', '--limit', '2']);

  expect(givenUp.status).toBe(0);
  expect(givenUp.output).toMatch(
    new RegExp(
      `^mail +events:user +${entryIds[1]} +${eventIds[1]} +user.renamed +given-up +- +\\S+.* +0 +5 +- +attempts used up: Error: the mail server said no$`,
      'm',
    ),
  );
  expect(givenUp.output).not.toContain(entryIds[2]);
  expect(givenUp.output).toContain('1 more pending entry: raise --limit');
  expect(limited).toHaveLength(2);
});

test('pending of a group that is not registered is an error, of one without any a sentence', async () => {
  const reader = bench.transport.reader();
  await reader.ensureGroup({ stream: 'events:order:0', group: 'ledger' }, '0');

  expect(await bench.bus('pending', 'nobody')).toEqual({
    status: 1,
    output: 'group nobody is not registered; registered are ledger, mail\n',
  });
  expect(await bench.bus('pending', 'ledger')).toEqual({ status: 0, output: 'Nothing is pending.\n' });
  expect(await bench.json(['pending', 'ledger'])).toEqual([]);
});

test('pending goes through whole lists, however long, and tells what was injected from what stands in the stream', async () => {
  const [writer, reader, mover] = [
    bench.transport.writer(),
    bench.transport.reader(),
    bench.transport.mover(),
  ];
  const ref = { stream: 'events:order:1', group: 'ledger' };
  const ids = Array.from({ length: 250 }, () => crypto.randomUUID());
  await writer.append(ref.stream, {
    source: 'billing',
    expect: { eventId: null, present: false },
    entries: ids.map((id, index) => entry(id, index + 1)),
  });
  const injected = { ...ref, injected: true } as const;
  await reader.ensureGroup(ref, '0');
  await reader.ensureGroup(injected, '0');
  await mover.inject(ref, [{ fields: { event_id: ids[0] ?? '' }, replayId: '' }]);
  for (const from of [ref, injected])
    await reader.read({ group: ref.group, consumer: 'one', from: [from], count: 1_000, blockMs: 100 });

  const pending = (await bench.json(['pending', 'ledger'])) as { eventId: string; isInjected: boolean }[];
  const { output } = await bench.bus('pending', 'ledger');

  expect(pending.slice(0, 250).map(({ eventId }) => eventId)).toEqual(ids);
  expect(pending.slice(250)).toMatchObject([{ eventId: ids[0], isInjected: true }]);
  expect(output).toContain('151 more pending entries: raise --limit');
});
