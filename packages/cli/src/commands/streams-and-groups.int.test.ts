import { registerGroup, registerTopics } from '@event-bus/database';
import { ENTRY_FIELDS, type FailureRecord } from '@event-bus/transport';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

const failure: Omit<FailureRecord, 'eventId'> = {
  attempts: 5,
  final: true,
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

test('failures lists what will not be retried, and nothing else', async () => {
  const failures = await bench.json(['failures', 'mail']);

  expect(failures).toMatchObject([
    {
      stream: 'events:user',
      entryId: entryIds[1],
      eventId: eventIds[1],
      eventType: 'user.renamed',
      aggregateId: 'u-2',
      attempts: 5,
      reason: 'attempts used up',
    },
    { entryId: entryIds[3], eventId: eventIds[3], attempts: 1, reason: 'no such version' },
  ]);
});

test('failures for people keep one line each, and say how many are beyond the limit', async () => {
  const { status, output } = await bench.bus('failures', 'mail', '--limit', '1');

  expect(status).toBe(0);
  expect(output).toMatch(
    new RegExp(
      `^events:user +${entryIds[1]} +${eventIds[1]} +user.renamed +5 +1m.* ago +attempts used up: .*`,
      'm',
    ),
  );
  expect(output).toContain('Error: the mail server said no');
  expect(output).toContain('1 more failure on record');
});

test('failures of a group that is not registered is an error, of one without failures a sentence', async () => {
  const unknown = await bench.bus('failures', 'nobody');
  expect(unknown).toEqual({
    status: 1,
    output: 'group nobody is not registered; registered are ledger, mail\n',
  });

  const reader = bench.transport.reader();
  await reader.ensureGroup({ stream: 'events:order:0', group: 'ledger' }, '0');
  const none = await bench.bus('failures', 'ledger');
  expect(none).toEqual({ status: 0, output: 'No entry of ledger has failed for good.\n' });
});
