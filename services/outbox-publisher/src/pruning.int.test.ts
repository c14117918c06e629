import { registerGroup, registerInboxWindows } from '@event-bus/database';
import { eventually, type ServiceProcess } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing.ts';

const stream = 'events:user';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

/** Moves all that is published into partitions of past days, as no producer could. */
async function age(days: number): Promise<void> {
  const client = await stage.database.pool.connect();
  await client.query('begin');
  await client.query('set local session_replication_role = replica');
  await client.query("set local timezone = 'UTC'");
  await client.query(`do $$ begin
    for n in 10..${9 + days} loop
      execute format('create table %I partition of outbox_events for values from (%L) to (%L)',
        bus_partition_name('outbox_events', current_date - n), current_date - n, current_date - n + 1);
    end loop;
  end $$`);
  await client.query(`update outbox_events set inserted_at = current_date - 10 - (position % ${days})::int + interval '12 hours'
    where position <= (select position from outbox_cursor)
      and not exists (select from outbox_gaps g where position between g.first and g.last)`);
  await client.query('commit');
  client.release();
}

async function addGroup(group: string): Promise<void> {
  await registerGroup(stage.database.db, {
    name: group,
    topics: ['user'],
    ordering: 'none',
    startFrom: 'beginning',
    startPositions: new Map(),
    policy: {},
  });
  const client = stage.redis.client();
  await client.xgroup('CREATE', stream, group, '0', 'MKSTREAM');
  client.disconnect();
}

/** Settles all that is in the stream. */
async function settle(group: string): Promise<void> {
  const client = stage.redis.client();
  await client.xgroup('SETID', stream, group, '$');
  client.disconnect();
}

const count = async (query: ReturnType<typeof sql<{ count: number }>>) => {
  const { rows } = await query.execute(stage.database.db);
  return rows[0]?.count ?? 0;
};

const oldPartitions = () =>
  count(sql<{ count: number }>`
    select count(*)::int as count from bus_partitions('outbox_events') where ends_at < now() - interval '8 days'`);

test('leaders that are killed while they drop partitions leave nothing that the next does not finish, and lose nothing', async () => {
  await addGroup('mail');
  await stage.append(200);
  const first = await stage.spawn({ OUTBOX_PRUNE_EVERY: '1h' });
  await eventually(async () => (await stage.compare()).unpublished === 0);
  await age(12);
  await settle('mail');
  first.kill();
  await first.exited;
  const producer = stage.produce();
  for (let kill = 1; kill <= 2; kill += 1) {
    const { pid } = await stage.spawn({ OUTBOX_PRUNE_EVERY: '100ms' });
    const before = await oldPartitions();
    const { process } = await eventually(async () => {
      const leader = await stage.leader();
      return leader.process.pid === pid && leader;
    });
    await eventually(async () => before === 0 || (await oldPartitions()) < before, { intervalMs: 1 });
    process.kill();
    await process.exited;
  }
  await stage.spawn({ OUTBOX_PRUNE_EVERY: '100ms' });
  await stage.spawn({ OUTBOX_PRUNE_EVERY: '100ms' });
  await eventually(async () => (await oldPartitions()) === 0);
  await producer.stop();

  await eventually(async () => {
    expect(await stage.compare()).toMatchObject({ missing: 0, disordered: [], unpublished: 0 });
    return true;
  });
});

/** What the leader tells of partitions that have to stay, by reason. */
async function blocked(leader: ServiceProcess): Promise<Record<string, number>> {
  const port = /"port":(\d+)/.exec(leader.output())?.[1];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const samples = text.matchAll(/^bus_outbox_prune_blocked\{.*bus_reason="([\w-]+)".*\} (\d+)$/gm);
  return Object.fromEntries([...samples].map(([, reason = '', value]) => [reason, Number(value)]));
}

test('a look that fails is told as a reason of its own, without the figures of the last one, until one goes through', async () => {
  const leader = await stage.spawn({ OUTBOX_PRUNE_EVERY: '100ms' });
  const well = { unpublished: 0, parked: 0, unsettled: 0, unrecorded: 0, lock: 0, failed: 0 };
  const tells = (wanted: Record<string, number>) =>
    eventually(async () => {
      expect(await blocked(leader)).toEqual(wanted);
      return true;
    });
  await leader.waitFor(/"msg":"started"/);
  await tells(well);

  await stage.database.pool.query('alter function bus_partitions rename to aside');
  await tells({ failed: 1 });
  await stage.database.pool.query('alter function aside rename to bus_partitions');
  await tells(well);
});

test('a partition that PostgreSQL refuses to empty is counted and named, and keeps no other', async () => {
  await addGroup('mail');
  await stage.append(200);
  const first = await stage.spawn({ OUTBOX_PRUNE_EVERY: '1h' });
  await eventually(async () => (await stage.compare()).unpublished === 0);
  await age(3);
  await settle('mail');
  await first.stop();
  await stage.database.pool.query(`do $$ begin
    create function refuse() returns trigger language plpgsql as 'begin raise exception ''not this one''; end';
    execute format('create trigger guard before truncate on %I execute function refuse()',
      bus_partition_name('outbox_events', (now() at time zone 'UTC')::date - 11)); end $$`);

  const leader = await stage.spawn({ OUTBOX_PRUNE_EVERY: '100ms' });
  await leader.waitFor(
    /an old partition is not dropped: PostgreSQL refuses to empty or drop it: not this one/,
  );
  await eventually(async () => (await oldPartitions()) === 1);
  await eventually(async () => (await blocked(leader)).failed === 1);

  await stage.database.pool.query('drop function refuse cascade');
  await eventually(async () => (await oldPartitions()) === 0);
  await eventually(async () => (await blocked(leader)).failed === 0);
});

test('a publisher whose window would break the chain does not start, and names variables and figures', async () => {
  await registerInboxWindows(stage.database.db, [
    { group: 'mail', keepMs: 30 * 86_400_000, longestWaitMs: 14 * 86_400_000 },
  ]);
  const child = await stage.spawn({ OUTBOX_KEEP: '20d' });

  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain(
    'INBOX_KEEP of group mail is 30d, less than OUTBOX_KEEP of outbox stage (20d) and LONGEST_WAIT of the group (14d) together',
  );
});
