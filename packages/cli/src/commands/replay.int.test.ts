import { createFileStore, writeEntries } from '@event-bus/archive';
import { registerGroup, registerTopics } from '@event-bus/database';
import {
  createTemporaryFolder,
  eventually,
  type ServiceProcess,
  spawnService,
  type TemporaryFolder,
} from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createWorkbench, runBus, type Workbench } from '../testing.ts';

const stream = 'events:user';
const group = 'directory';
const everything = ['replay', '--group', group, '--topic', 'user', '--from', '2026-01-01'];

let bench: Workbench;
let folder: TemporaryFolder;
let replayer: ServiceProcess | undefined;

beforeEach(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  folder = createTemporaryFolder('replay-archive');
  await registerTopics(bench.database.db, [
    { name: 'user', partitions: 1 },
    { name: 'project', partitions: 1 },
  ]);
  await registerGroup(bench.database.db, {
    name: group,
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
});

afterEach(async () => {
  await replayer?.stop();
  replayer = undefined;
  await bench.close();
  await folder.remove();
});

const env = () => ({ ...bench.env, ARCHIVE_URL: `file://${folder.path}` });
const bus = (...args: readonly string[]) => runBus(args, env());

async function publish(count: number): Promise<string[]> {
  await bench.publisher();
  const ids = await bench.insert(Array.from({ length: count }, (_, n) => `u-${n}`));
  const observer = bench.transport.observer();
  await eventually(async () => (await observer.stream(stream)).length === count);
  return ids;
}

/** Archives the oldest entries and trims them. */
async function archive(count: number): Promise<void> {
  const entries = await bench.transport.observer().range(stream, '-', '+', count);
  const store = createFileStore({ path: folder.path });
  await Array.fromAsync(writeEntries(store, { stream, after: '0-0', entries }));
  await store.close();
  const [ms, sequence] = (entries.at(-1)?.id ?? '').split('-');
  const client = bench.redis.client();
  await client.hset(`{${stream}}:writers`, '@trimmed', `${ms}-${sequence}`);
  await client.xtrim(stream, 'MINID', `${ms}-${Number(sequence) + 1}`);
}

/** Settles what is injected, as a runner does, until so many events were. Returns their IDs. */
async function settle(count: number): Promise<string[]> {
  const reader = bench.transport.reader();
  const ref = { stream, group, injected: true as const };
  await reader.ensureGroup(ref, '0');
  const found: string[] = [];
  while (found.length < count) {
    const read = await reader.read({ group, consumer: 'test', from: [ref], count: 100, blockMs: 100 });
    found.push(...read.map(({ fields }) => fields.event_id ?? ''));
    await reader.acknowledge(
      ref,
      read.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' })),
    );
  }
  return found;
}

test('counts what a replay would bring, by type and place, and changes nothing', async () => {
  await publish(7);
  await archive(3);

  const { status, output } = await bus(...everything, '--dry-run');

  expect(output).toMatch(
    /^TYPE +ARCHIVE +STREAM\nuser\.renamed +\d +\d\n7 events would be replayed to directory\.\n$/,
  );
  expect(status).toBe(0);
  const nothing = await bus(...everything, '--tenant', 'nobody', '--dry-run');
  expect(nothing.output).toBe('Nothing in this range is what you asked for: directory would get no event.\n');
  expect(await bus('replay', 'list')).toEqual({ status: 0, output: 'There is no replay.\n' });
});

test('replays archive and stream, shows how far it is, and ends when the group has settled it', async () => {
  const ids = await publish(8);
  await archive(5);
  replayer = await spawnService({
    entry: new URL('../../../../services/replayer/src/main.ts', import.meta.url),
    env: { ...env(), REPLAY_POLL: '100ms' },
  });

  const [settled, { status, output }] = await Promise.all([
    settle(ids.length),
    bus(...everything, '--reason', 'lost its table', '--operator', 'alice'),
  ]);

  expect(settled).toEqual(ids);
  expect(output).toMatch(/^Replay \S+ is asked for\.$/m);
  expect(output).toMatch(/^\[#{30}\] 100% {2}8 injected, 8 settled {2}done$/m);
  expect(output).toMatch(/^Done: 8 events settled by directory\.$/m);
  expect(status).toBe(0);
  const [replay] = JSON.parse((await bus('replay', 'list', '--group', group, '--json')).output) as {
    id: string;
  }[];
  expect(JSON.parse((await bus('replay', 'show', replay?.id ?? '')).output)).toMatchObject({
    group,
    topic: 'user',
    state: 'done',
    requestedBy: 'alice',
    reason: 'lost its table',
  });
  expect((await bus('replay', 'list')).output).toMatch(
    / +directory +user +done +100% +8 +8 +alice +\S+.* ago +lost its table$/m,
  );
  expect(await bus('replay', 'pause', replay?.id ?? '')).toEqual({
    status: 1,
    output: `the replay ${replay?.id} is done: it cannot be paused\n`,
  });
});

test('refuses a range that begins before the topic had several partitions, and says from when on it can be had', async () => {
  await publish(3);
  await archive(2);
  const [last] = await bench.transport.observer().range(stream, '-', '+', 1);
  await bench.database.pool.query(`update topics set partitions = 2 where name = 'user'`);

  const { status, output } = await bus(...everything, '--dry-run');
  expect(status).toBe(1);
  expect(output).toContain('what was published to events:user before');
  const [, at = ''] = / until (\S+Z),/.exec(output) ?? [];
  expect(at).toBe(new Date(Number(last?.id.split('-')[0])).toISOString());

  const from = new Date(Date.parse(at) + 1).toISOString();
  const later = await bus('replay', '--group', group, '--topic', 'user', '--from', from, '--dry-run');
  expect(later.output).toBe('nothing was published to user in this range\n');
});

test('says what a replay waits for that does not get on', async () => {
  const [eventId = ''] = await publish(1);
  replayer = await spawnService({
    entry: new URL('../../../../services/replayer/src/main.ts', import.meta.url),
    env: { ...env(), REPLAY_POLL: '100ms' },
  });
  const reader = bench.transport.reader();
  const ref = { stream, group, injected: true as const };
  await reader.ensureGroup(ref, '0');
  const following = await bench.start(...everything);
  await following.waitFor(/waits: no runner of directory was heard of lately/);

  await bench.database.pool.query(
    `insert into group_runners (consumer_group, runner, events, seen_at)
     values ($1, 'a', '{}', now() + interval '1 hour')`,
    [group],
  );
  const entry = await eventually(async () => {
    const [injected] = await reader.read({ group, consumer: 'test', from: [ref], count: 1, blockMs: 100 });
    return injected;
  });
  const failure = {
    attempts: 2,
    final: false,
    isOwn: false,
    kind: 'error',
    reason: 'error',
    error: 'Error: no table',
    stack: '',
  };
  const times = { history: [], firstDeliveredAt: 0, failedAt: Date.now(), dueAt: Date.now() + 600_000 };
  await reader.recordFailures(
    ref,
    'test',
    new Map([[entry.id, { ...failure, kind: 'error', ...times, eventId }]]),
  );
  await following.waitFor(
    new RegExp(`waits: user.renamed ${eventId} has failed 2 times, tried again at .*: Error: no table`),
  );
  bench.redis.freeze();
  await following.waitFor(/waits: Redis: the server has not answered/);
  bench.redis.thaw();
  await reader.acknowledge(ref, [{ id: entry.id, eventId }]);

  expect(await following.exited).toMatchObject({ code: 0 });
});

test('pauses, resumes and cancels, with who did it on record', async () => {
  await publish(3);
  const { output } = await bus(...everything, '--no-wait');
  const id = /^Replay (\S+) is asked for\.$/m.exec(output)?.[1] ?? '';

  expect((await bus('replay', 'pause', id, '--operator', 'bob', '--reason', 'wait')).status).toBe(0);
  expect((await bus('replay', 'resume', id, '--operator', 'bob')).status).toBe(0);
  expect((await bus('replay', 'cancel', id, '--operator', 'cyd')).output).toMatch(
    /^Cancelled; 0 events taken back/,
  );

  expect((await bus('replay', 'resume', id)).output).toBe(
    `the replay ${id} is cancelled: it cannot be resumed\n`,
  );
  const { rows } = await bench.database.pool.query(
    'select action, operator, consumer_group, reason from operator_actions order by id',
  );
  expect(rows.slice(1)).toEqual([
    { action: 'replay-pause', operator: 'bob', consumer_group: group, reason: 'wait' },
    { action: 'replay-resume', operator: 'bob', consumer_group: group, reason: null },
    { action: 'replay-cancel', operator: 'cyd', consumer_group: group, reason: null },
  ]);
});

test('says what is wrong with what was asked for', async () => {
  await publish(2);
  const replay = (...args: readonly string[]) => bus('replay', ...args);
  const unknownId = '1a7e5e9e-d928-4966-9b1d-3bc13eba26c1';

  expect(await replay('--topic', 'user')).toMatchObject({
    status: 64,
    output: expect.stringContaining('say --group and --topic') as string,
  });
  expect((await replay('--group', group, '--topic', 'user')).output).toContain('say where it begins');
  expect((await replay(...everything.slice(1), '--from-id', '1-0')).output).toContain(
    '--from and --from-id exclude each other',
  );
  expect((await replay(...everything.slice(1), '--to', '2025-01-01')).output).toContain(
    '--from is later than --to',
  );
  expect((await replay(...everything.slice(1, 5), '--from', 'yesterday')).output).toContain(
    'must be how long ago',
  );
  expect((await replay('--group', 'nobody', ...everything.slice(3))).output).toBe(
    'group nobody is not registered; registered are directory\n',
  );
  expect((await replay('--group', group, '--topic', 'usr', '--from', '2026-01-01')).output).toContain(
    'topic usr is not registered',
  );
  expect((await replay('--group', group, '--topic', 'project', '--from', '2026-01-01')).output).toBe(
    'the group directory does not read project; it reads user\n',
  );
  expect((await replay('--group', group, '--topic', 'user', '--from', '2099-01-01')).output).toBe(
    'nothing was published to user in this range\n',
  );
  expect((await replay('show', unknownId)).output).toContain(`there is no replay ${unknownId}`);
});
