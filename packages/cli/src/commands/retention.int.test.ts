import { recordArchived, registerGroup, registerTopics } from '@event-bus/database';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

const stream = 'events:user';

let bench: Workbench;

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  const { db } = bench.database;
  await registerTopics(db, [{ name: 'user', partitions: 1 }]);
  for (const name of ['mail', 'ledger']) {
    await registerGroup(db, {
      name,
      topics: ['user'],
      ordering: 'none',
      startFrom: 'beginning',
      startPositions: new Map(),
      policy: {},
    });
  }
  const client = bench.redis.client();
  const old = Date.now() - 8 * 86_400_000;
  for (let n = 0; n < 4; n += 1)
    await client.xadd(
      stream,
      `${old + n}-0`,
      'event_id',
      `e${n}`,
      'source',
      'billing',
      'position',
      String(n + 1),
    );
  await client.hset(`{${stream}}:writers`, 'billing', `${old + 3}-0 e3`);
  await bench.transport.reader().ensureGroup({ stream, group: 'mail' }, `${old + 1}-0`);
  await bench.transport.reader().ensureGroup({ stream, group: 'ledger' }, `${old + 3}-0`);
  await recordArchived(db, stream, {
    from: null,
    to: { entryId: `${old + 2}-0`, eventId: 'e2' },
    lastOf: new Map(),
  });
});

afterAll(() => bench.close());

test('status tells how far a stream is archived, and which group keeps entries from being trimmed, and since when', async () => {
  const [view] = (await bench.json(['retention', 'status'])) as [Record<string, unknown>];
  const { output } = await bench.bus('retention', 'status');

  expect(view).toMatchObject({ stream, length: 4, trimmedTo: null, blockedBy: [{ group: 'mail' }] });
  expect(view.archivedTo).toMatch(/-0$/);
  expect(output).toMatch(/BLOCKED BY\nevents:user +4 +[\d.]+ (B|KiB) .* mail \(1d/);
});

test('explain lists all that stands against trimming, the strictest first', async () => {
  const { output } = await bench.bus('retention', 'explain', '--topic', 'user');
  const lines = output.trim().split('\n').slice(2);

  const terms = lines.map((line) => /(\w+) +(\S+) +\d+-\d/.exec(line)?.slice(1).join(' '));
  expect(terms).toEqual(['group mail', 'archive -', 'writer billing', 'group ledger', 'window -']);
  expect(lines.filter((line) => line.startsWith('*'))).toEqual([lines[0]]);
});

test('a topic that nobody registered is refused by its name', async () => {
  const { status, output } = await bench.bus('retention', 'status', '--topic', 'users');

  expect(status).toBe(1);
  expect(output).toContain('users');
});

test('what a topic held before it had several partitions is told beside them, if there ever was any', async () => {
  await bench.database.pool.query(
    `update topics set partitions = 2; insert into topics (name, partitions) values ('project', 2)`,
  );
  const streamsOf = (views: unknown) => (views as { readonly stream: string }[]).map((view) => view.stream);
  const users = ['events:user:0', 'events:user:1', stream];

  expect(streamsOf(await bench.json(['retention', 'explain', '--topic', 'user']))).toEqual(users);
  expect(streamsOf(await bench.json(['retention', 'status']))).toEqual([
    'events:project:0',
    'events:project:1',
    ...users,
  ]);
});
