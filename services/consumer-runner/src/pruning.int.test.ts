import { registerOutboxWindow } from '@event-bus/database';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createRunnerBench } from './testing/runner-bench.ts';

const dayMs = 86_400_000;
const aggregates = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

let bench: Awaited<ReturnType<typeof createRunnerBench>>;

beforeEach(async () => {
  bench = await createRunnerBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

const handled = (group: string, count: number) =>
  eventually(
    async () => (await bench.ledger(group)).length === count && (await bench.status(group)).pending === 0,
  );

/** Makes all that was settled, and the outbox it came from, older than every window. */
async function age(): Promise<void> {
  await registerOutboxWindow(bench.database.db, { source: 'test', keepMs: 7 * dayMs });
  await bench.database.pool.query(`
    do $$ begin
      execute format('create table old_day partition of inbox_events for values from (%L) to (%L)', date '2020-01-01', date '2020-01-02');
    end $$`);
  await bench.database.pool.query(`
    update inbox_events set occurred_at = '2020-01-01 12:00+00', processed_at = now() - interval '100 days'`);
  await bench.database.pool.query(`
    insert into outbox_floors (source, since, position, inserted_at)
    values ('test', now() - interval '60 days', 10, now() - interval '90 days')`);
}

/** Has so many events handled, and what the inbox knows of them dropped. */
async function handleAndForget(group: string, path: string, count: number): Promise<void> {
  const first = await bench.spawn(path);
  await handled(group, count);
  await first.stop();
  await age();
  const runner = await bench.spawn(path, { INBOX_PRUNE_EVERY: '100ms' });
  await runner.waitFor(/old partitions of the inbox are dropped/);
  await runner.stop();
}

test('a runner drops what cannot come again, and what does come again all the same is not handled', async () => {
  const { group, path } = bench.consumer();
  const events = await bench.publish(aggregates(10));
  await handleAndForget(group, path, 10);
  expect((await bench.database.pool.query('select from inbox_events')).rowCount).toBe(0);

  await bench.redis.client().flushall();
  await bench.publishAgain(events);
  const more = await bench.publish(aggregates(5));
  await bench.spawn(path, { INBOX_PRUNE_EVERY: '100ms' });
  await handled(group, 15);
  const ids = (await bench.ledger(group)).map(({ event_id }) => event_id);

  expect(new Set(ids)).toEqual(new Set([...events, ...more].map(({ eventId }) => eventId)));
  expect(ids).toHaveLength(15);
});

test('a group that takes up another topic handles all that stands in its stream, however old', async () => {
  const { group, path } = bench.consumer();
  const projects = await bench.publishProjects(['garden', 'house'], new Date(Date.now() - 70 * dayMs));
  const users = await bench.publish(aggregates(10));
  await handleAndForget(group, path, 10);

  await bench.spawn(bench.consumer({ group, projects: true }).path);
  await handled(group, 12);
  const ids = (await bench.ledger(group)).map(({ event_id }) => event_id);

  expect(new Set(ids)).toEqual(new Set([...projects, ...users].map(({ eventId }) => eventId)));
});

test('a duplicate within the window finds its inbox row, whatever else was dropped', async () => {
  const { group, path } = bench.consumer();
  const old = await bench.publish(aggregates(10));
  const first = await bench.spawn(path);
  await handled(group, 10);
  await first.stop();
  await age();
  const runner = await bench.spawn(path, { INBOX_PRUNE_EVERY: '100ms' });
  const young = await bench.publish(aggregates(10));
  await handled(group, 20);
  await runner.waitFor(/old partitions of the inbox are dropped/);
  await bench.redis.client().flushall();
  await bench.publishAgain([...old, ...young]);
  const more = await bench.publish(aggregates(1));

  await handled(group, 21);
  expect((await bench.ledger(group)).map(({ event_id }) => event_id)).toContain(more[0]?.eventId);
});

test('a look that fails is told as a reason of its own, without the figures of the last one, until one goes through', async () => {
  await registerOutboxWindow(bench.database.db, { source: 'test', keepMs: 7 * dayMs });
  const runner = await bench.spawn(bench.consumer().path, { INBOX_PRUNE_EVERY: '100ms' });
  await runner.waitFor(/"msg":"started"/);
  const port = /"port":(\d+)/.exec(runner.output())?.[1];
  const tells = (wanted: Record<string, number>) =>
    eventually(async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const samples = text.matchAll(/^bus_inbox_prune_blocked\{.*bus_reason="([\w-]+)".*\} (\d+)$/gm);
      const found = [...samples].map(([, reason = '', value]) => [reason, Number(value)] as const);
      expect(Object.fromEntries(found)).toEqual(wanted);
      return true;
    });
  const well = { unknown: 0, young: 0, 'dead-letter': 0, lock: 0, failed: 0 };
  await tells(well);

  await bench.database.pool.query('alter function bus_partitions rename to aside');
  await tells({ failed: 1 });
  await bench.database.pool.query('alter function aside rename to bus_partitions');
  await tells(well);
});

test('a runner whose inbox would forget too early does not start, and names variables and figures', async () => {
  const { path } = bench.consumer();
  await registerOutboxWindow(bench.database.db, { source: 'shop', keepMs: 7 * dayMs });
  const child = await bench.spawn(path, { INBOX_KEEP: '20d' });
  const short = await bench.spawn(path, { LONGEST_WAIT: '2h' });

  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toMatch(
    /INBOX_KEEP of group \S+ is 20d, less than OUTBOX_KEEP of outbox shop \(7d\)/,
  );
  expect(await short.exited).toEqual({ code: 78, signal: null });
  expect(short.output()).toMatch(/LONGEST_WAIT: is 2h, shorter than retention.hot of topic user \(168h\)/);
});
