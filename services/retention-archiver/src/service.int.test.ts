import { join } from 'node:path';
import { registerTopics } from '@event-bus/database';
import { eventually, type ServiceProcess, spawnService } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, idsOf, type Stage, stream, topic } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'), { objectLock: true });
});

afterEach(() => stage.close());

const quick = { ARCHIVE_EVERY: '200ms', EXPIRE_EVERY: '300ms', WATCH_EVERY: '200ms' };
const day = 86_400_000;

/** Entries of past days, as a source wrote them. */
async function write(daysAgo: readonly number[]): Promise<void> {
  let last = '';
  for (const [n, days] of daysAgo.entries()) {
    const fields = ['event_id', `e${n}`, 'source', 's', 'position', String(n + 1), 'payload', '{}'];
    last = `${await stage.client.xadd(stream, `${Date.now() - days * day}-0`, ...fields)} e${n}`;
  }
  await stage.client.hset(`{${stream}}:writers`, 's', last);
}

async function metrics(process: ServiceProcess): Promise<string> {
  const port = /"port":(\d+)/.exec(process.output())?.[1];
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

function sweepsOf(text: string): number {
  return Number(/^bus_retention_sweep_duration_count\{.*\} (\d+)/m.exec(text)?.[1] ?? 0);
}

test('the service archives, trims, expires and tells how things stand', async () => {
  await stage.client.config('SET', 'maxmemory', '1gb');
  await stage.join('mail');
  await write([40, 30, 20, 10, 0]);
  await stage.settle('mail', 3);
  const archiver = await stage.spawn('retention-archiver', {
    ...quick,
    RETENTION: '*.cold=25d',
    MEMORY_ALARM: '0.0005',
  });

  await eventually(async () => (await stage.client.xlen(stream)) === 2);
  // Each of these is told for itself: two objects stand before all four are written, too.
  await eventually(async () => {
    const text = await metrics(archiver);
    expect(text).toMatch(/bus_retention_memory_alarm\{[^}]*\} 1/);
    expect(text).toMatch(/bus_retention_blocked_seconds\{[^}]*group_name="mail"[^}]*\} 2\d{5}/);
    expect(text).toMatch(/bus_archive_entries_total\{[^}]*events:user"[^}]*\} 4/);
    expect(text).toMatch(/bus_archive_expired_objects_total\{[^}]*events:user"[^}]*\} 2/);
    return true;
  });
  expect(stage.s3.keys('archive')).toHaveLength(2);
  await archiver.waitFor(/Redis runs short of memory/);
  const { lifecycle } = await stage.store.capabilities();
  expect(await lifecycle?.rules()).toMatchObject([{ prefix: 'stream=events%3Auser/', days: 32 }]);
});

test('streams far beyond the memory that they may take up are let go at once, in turns', async () => {
  await registerTopics(stage.database.db, [{ name: 'order', partitions: 1 }]);
  const streams = [stream, 'events:order'];
  for (const each of streams) await stage.fill(each, 21_000);

  await stage.spawn('retention-archiver', {
    ARCHIVE_EVERY: '24h',
    ARCHIVE_AFTER: '24h',
    ARCHIVE_CONCURRENCY: '1',
    RETENTION: '*.hotBytes=1KiB',
  });

  await eventually(async () => {
    const left = await Promise.all(streams.map((each) => stage.client.xlen(each)));
    expect(Math.max(...left)).toBeLessThan(100);
    return true;
  });
  const written = stage.s3.requests().filter(({ operation }) => operation === 'PutObject');
  const turns = written.map(({ key }) => streams.findIndex((each) => key.includes(encodeURIComponent(each))));
  expect([
    [0, 1, 0, 1],
    [1, 0, 1, 0],
  ]).toContainEqual(turns);
});

test('what is past its policy is deleted though the bucket refuses lifecycle rules, and says what is refused', async () => {
  await stage.join('mail');
  await write([40, 30, 20, 10, 0]);
  await stage.settle('mail', 5);
  const refused = { kind: 'error', status: 403, code: 'AccessDenied' } as const;
  const steps = { rules: 'PutBucketLifecycleConfiguration', leftovers: 'ListMultipartUploads' } as const;
  const faults = Object.values(steps).map((operation) =>
    stage.s3.inject(refused, { operation, times: Number.POSITIVE_INFINITY }),
  );
  const archiver = await stage.spawn('retention-archiver', { ...quick, RETENTION: '*.cold=25d' });

  await eventually(async () => {
    const text = await metrics(archiver);
    expect(text).toMatch(/bus_archive_entries_total\{[^}]*events:user"[^}]*\} 4/);
    expect(text).toMatch(/bus_archive_expired_objects_total\{[^}]*events:user"[^}]*\} 2/);
    expect(text).toMatch(/bus_retention_errors_total\{[^}]*error_type="StoreRefusedError"[^}]*\} \d\d/);
    return true;
  });
  expect(stage.s3.keys('archive')).toHaveLength(2);
  for (const step of Object.keys(steps))
    expect(
      archiver.output().match(new RegExp(`"step":"${step}".*a part of expiry failed`, 'g')),
    ).toHaveLength(1);

  for (const fault of faults) fault.remove();
  await archiver.waitFor(/"step":"rules".*goes through again/);
  const { lifecycle } = await stage.store.capabilities();
  expect(await lifecycle?.rules()).toMatchObject([{ prefix: 'stream=events%3Auser/', days: 32 }]);
});

test('of a topic that was given more partitions, the stream it had before is archived, trimmed and deleted in its time', async () => {
  await stage.join('mail');
  await write([40, 30, 20, 10, 0]);
  await stage.settle('mail', 4);
  await stage.database.pool.query('update topics set partitions = 2');
  await stage.register('late');

  await stage.spawn('retention-archiver', { ...quick, RETENTION: '*.cold=25d' });

  await eventually(async () => (await stage.client.xlen(stream)) === 1);
  await eventually(() => stage.s3.keys('archive').length === 2);
  const { lifecycle } = await stage.store.capabilities();
  expect((await lifecycle?.rules())?.map(({ prefix }) => prefix)).toContain('stream=events%3Auser/');
  expect(await stage.status()).toMatchObject({ stream, topic, length: 1, blockedBy: [] });
});

test('a stream under whose key something else was stored is named, and hides no other and no want of memory', async () => {
  await stage.client.config('SET', 'maxmemory', '1gb');
  await registerTopics(stage.database.db, [{ name: 'order', partitions: 1 }]);
  await stage.client.set('events:order', 'x');
  await stage.join('mail');
  await write([20, 0]);

  const archiver = await stage.spawn('retention-archiver', { ...quick, MEMORY_ALARM: '0.0005' });

  await archiver.waitFor(
    /stream events:order: it cannot be read: events:order is a string and should be a stream; rename/,
  );
  await archiver.waitFor(/Redis runs short of memory/);
  await eventually(async () => {
    const text = await metrics(archiver);
    expect(text).toMatch(/bus_retention_memory_alarm\{[^}]*\} 1/);
    expect(text).toMatch(/bus_retention_blocked_seconds\{[^}]*events:user"[^}]*group_name="mail"[^}]*\} \d/);
    return true;
  });
});

test('a database in which nothing can be looked up hides no want of memory', async () => {
  await stage.client.config('SET', 'maxmemory', '1gb');
  const archiver = await stage.spawn('retention-archiver', { ...quick, MEMORY_ALARM: '0.0005' });
  await eventually(async () => /bus_archive_lag_seconds\{/.test(await metrics(archiver)));

  await stage.database.pool.query('alter table consumer_groups rename to aside');
  await archiver.waitFor(/the streams could not be looked at/);

  const text = await eventually(async () => {
    const found = await metrics(archiver);
    return !/bus_archive_lag_seconds\{/.test(found) && found;
  });
  expect(text).toMatch(/bus_retention_memory_alarm\{[^}]*\} 1/);
});

test('a process whose clock jumps a year ahead archives, trims and deletes nothing before its time', async () => {
  await stage.join('mail');
  await write([20, 10, 0]);
  await stage.settle('mail', 3);
  const policy = { ...quick, RETENTION: '*.cold=25d' };
  const first = await stage.spawn('retention-archiver', policy);
  await eventually(async () => (await stage.client.xlen(stream)) === 1);
  await first.stop();
  const [kept, standing] = [stage.s3.keys('archive'), idsOf(await stage.standing())];

  const ahead = `const now = Date.now; Date.now = () => now() + ${365 * day};`;
  const late = await stage.spawn('retention-archiver', {
    ...policy,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}`,
  });
  await eventually(async () => sweepsOf(await metrics(late)) > 10);

  expect(stage.s3.keys('archive')).toEqual(kept);
  expect(idsOf(await stage.standing())).toEqual(standing);

  // What it planned for a year ahead keeps nobody waiting.
  await late.stop();
  const right = await stage.spawn('retention-archiver', policy);
  await eventually(async () => sweepsOf(await metrics(right)) > 2);
});

test('jobs that Redis has lost are planned again', async () => {
  await stage.spawn('retention-archiver', quick);
  await eventually(async () => (await stage.client.keys('{event-bus:retention}*')).length > 2);
  await stage.client.flushall();

  stage.startPublisher();
  await write([8, 0]);

  await eventually(async () => (await stage.client.xlen(stream)) === 1);
  expect(stage.s3.keys('archive')).toHaveLength(1);
});

test('objects of a topic that must be kept are locked for as long', async () => {
  await write([2, 1]);
  const compliance = { coldMs: 365 * day, compliance: true };
  await stage.sweep({ hotMs: 1.5 * day, ...compliance }, { archiveAfterMs: 10 * day });
  const [plain = ''] = stage.s3.keys('archive');

  await stage.sweep(compliance, { lock: 'governance' });

  const { objectLock } = await stage.store.capabilities();
  const [locked = ''] = stage.s3.keys('archive').filter((key) => key !== plain);
  expect(await objectLock?.retention(plain)).toBeNull();
  const until = (await objectLock?.retention(locked))?.until.getTime() ?? 0;
  expect(until).toBeGreaterThan(Date.now() + 364 * day);
});

test('a policy that cannot be kept is refused at start, with every fault at once', async () => {
  const env = { ...stage.env, RETENTION: 'user.hot=soon,user.warm=1d,*.cold=0', ARCHIVE_EVERY: 'often' };
  const run = async (own: Readonly<Record<string, string>>) => {
    const entry = join(import.meta.dirname, 'main.ts');
    const running = await spawnService({ entry, env: { ...env, ...own } });
    const { code } = await running.exited;
    return { code, output: running.output() };
  };

  const wrong = await run({});
  expect(wrong.code).toBe(78);
  expect(wrong.output).toMatch(/RETENTION: part 1 .*; part 2 .*; part 3 /);
  expect(wrong.output).toContain('ARCHIVE_EVERY: ');
  const late = await run({ RETENTION: 'user.hot=30d,user.cold=7d', ARCHIVE_EVERY: '1s' });
  expect(late.code).toBe(78);
  expect(late.output).toContain(
    'topic user: its events would leave the archive before they leave the stream',
  );
});
