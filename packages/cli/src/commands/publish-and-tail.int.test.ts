import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { registerGroup } from '@event-bus/database';
import { createTemporaryFolder, type TemporaryFolder } from '@event-bus/testkit';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createWorkbench, type Workbench } from '../testing.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;
const renamed = {
  type: 'user.renamed',
  aggregateId: 'u-1',
  tenantId: 'acme',
  actorId: 'alice',
  payload: { name: 'Ann' },
};

let bench: Workbench;
let folder: TemporaryFolder;

beforeAll(async () => {
  bench = await createWorkbench(inject('postgresUrl'));
  folder = createTemporaryFolder('cli');
});

afterAll(async () => {
  await bench.close();
  await folder.remove();
});

async function file(content: unknown): Promise<string> {
  const path = join(folder.path, `${crypto.randomUUID()}.json`);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function countEvents(): Promise<number> {
  const { rows } = await bench.database.pool.query<{ count: number }>(
    'select count(*)::int as count from outbox_events',
  );
  return rows[0]?.count ?? 0;
}

test('publish appends the event in the newest version of its type and prints its ID', async () => {
  const { status, output } = await bench.bus('publish', await file(renamed));

  expect(output).toMatch(uuid);
  expect(status).toBe(0);
  const { rows } = await bench.database.pool.query('select * from outbox_events where event_id = $1', [
    output.trim(),
  ]);
  expect(rows).toMatchObject([
    {
      aggregate_type: 'user',
      aggregate_id: 'u-1',
      event_version: 1,
      tenant_id: 'acme',
      payload: { name: 'Ann' },
    },
  ]);
});

test('publish reads standard input for -', async () => {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@event-bus/source', main, 'publish', '-'], {
    env: { PATH: process.env.PATH, ...bench.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdin.end(JSON.stringify({ ...renamed, eventId: '018f0000-0000-7000-8000-0000000000aa' }));
  const [code] = (await once(child, 'close')) as [number];

  expect(output).toBe('018f0000-0000-7000-8000-0000000000aa\n');
  expect(code).toBe(0);
});

test('publish names every violation of the contract by its path and appends nothing', async () => {
  const before = await countEvents();
  const bad = { ...renamed, tenantId: ' ', actorId: undefined, payload: { name: '' }, colour: 'red' };
  const { status, output } = await bench.bus('publish', await file(bad));

  expect(status).toBe(1);
  expect(output).toMatch(/^user\.renamed is refused, nothing was appended:$/m);
  expect(output).toMatch(/^ {2}actorId: is missing$/m);
  expect(output).toMatch(/^ {2}colour: is not a field of an event/m);
  expect(output).toMatch(/^ {2}tenantId: must not be blank$/m);
  expect(output).toMatch(/^ {2}payload\.name: /m);
  expect(await countEvents()).toBe(before);
});

test.for([
  ['not JSON', '{"type": ', /\.json is not JSON: /],
  ['a list', '[]', /event: must be one JSON object/],
  ['an unknown type', { ...renamed, type: 'user.teleported' }, /type: is not in the catalogue/],
  [
    'an unknown version',
    { ...renamed, version: 9 },
    /version: version 9 is not in the catalogue; the newest is 1/,
  ],
] as const)('publish refuses %s', async ([, content, message]) => {
  const { status, output } = await bench.bus('publish', await file(content));

  expect(output).toMatch(message);
  expect(output).not.toMatch(/\n\s+at /);
  expect(status).toBe(1);
});

test('publish of a file that is not there says so', async () => {
  const { status, output } = await bench.bus('publish', join(folder.path, 'nowhere.json'));

  expect(output).toMatch(/nowhere\.json: there is no such file or folder\n$/);
  expect(status).toBe(1);
});

test('publish --wait fails while nobody publishes, and the event stays appended', async () => {
  const { status, output } = await bench.bus('publish', '--wait', '--timeout', '300ms', await file(renamed));

  expect(status).toBe(1);
  expect(output).toMatch(
    /was not published within 300ms: `bus outbox status` says whether a publisher leads/,
  );
});

test('publish --wait returns when the event is in its stream, and tail follows it until Ctrl-C', async () => {
  await bench.publisher();
  const first = await bench.bus('publish', '--wait', await file(renamed));
  const firstId = first.output.trim();
  expect(first.status).toBe(0);
  const raw = await bench.transport.observer().newest('events:user', 1);
  expect(raw[0]?.fields.event_id).toBe(firstId);

  const tail = await bench.start('tail', 'user', '-n', '1');
  await tail.waitFor(new RegExp(firstId));
  const second = await bench.bus(
    'publish',
    await file({ ...renamed, aggregateId: 'u-2\u001b[2J', tenantId: 'beta' }),
  );
  const secondId = second.output.trim();
  await tail.waitFor(new RegExp(secondId));
  tail.kill('SIGINT');
  const { code, signal } = await tail.exited;

  const [line, next, rest] = tail.output().split('\n');
  expect(line).toMatch(
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z  user\\.renamed v1  user/u-1  acme  ${firstId}$`),
  );
  expect(next).toContain(`user/u-2\\u001b[2J  beta  ${secondId}`);
  expect(rest).toBe('');
  expect({ code, signal }).toEqual({ code: 0, signal: null });
});

test('tail of a group begins where it is told to, and prints payloads only when asked', async () => {
  const fixed = { ordering: 'none', startFrom: 'beginning', startPositions: new Map(), policy: {} } as const;
  await registerGroup(bench.database.db, { name: 'mail', topics: ['user'], ...fixed });
  const published = await bench.transport.observer().range('events:user', '-', '+', 100);

  const since = await bench.start('tail', '--group', 'mail', '--since', '1h', '--payload');
  await since.waitFor((output) => output.split('\n').length === published.length + 1);
  await since.stop();
  const lines = since.output().trim().split('\n');
  expect(lines.map((line) => line.split('  ')[4])).toEqual(published.map(({ fields }) => fields.event_id));
  expect(lines[0]).toMatch(/ {2}\{"name":"Ann"\}$/);

  const newest = await bench.start('tail', '-n', '1', '--json');
  // Only one that has shown what is there is known to follow.
  await newest.waitFor(/\n/);
  const last = await bench.bus('publish', '--wait', await file(renamed));
  await newest.waitFor(new RegExp(last.output.trim()));
  await newest.stop();
  const seen = newest
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);
  expect(seen.at(-1)).toMatchObject({
    stream: 'events:user',
    event_type: 'user.renamed',
    payload: '{"name":"Ann"}',
  });
});

test('tail goes on when Redis was away', async () => {
  const tail = await bench.start('tail', 'user', '-n', '1');
  await tail.waitFor(/user\.renamed/);
  await bench.redis.kill();
  await tail.waitFor(/Redis: .*; waiting for it/);
  await bench.redis.restart({ keepData: false });
  const { output } = await bench.bus('publish', await file(renamed));
  await tail.waitFor(new RegExp(output.trim()));
  await tail.stop();
});

test('tail of a topic that nobody registered is an error that names those there are', async () => {
  const { status, output } = await bench.bus('tail', 'nothing');

  expect(output).toMatch(/^topic nothing is not registered; registered are .*user.*\n$/);
  expect(status).toBe(1);
});
