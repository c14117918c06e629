import { eventually, type ServiceProcess, startPostgres } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing.ts';

const complete = { missing: 0, unknown: 0, disordered: [], unpublished: 0 };

// Longer than any test: nobody loses the lead for being slow, and the server does not take it from who is silent.
const patient = { LEADER_SESSION_TIMEOUT: '10m' } as const;
const status0 = { code: 0, signal: null } as const;

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

const isComplete = (expected: object = complete) =>
  eventually(
    async () => {
      expect(await stage.compare()).toMatchObject(expected);
      return true;
    },
    { intervalMs: 50 },
  );

const published = async () => {
  const { rows } = await sql<{ count: string }>`select coalesce(sum(events), 0)::text as count
    from outbox_batches`.execute(stage.database.db);
  return Number(rows[0]?.count);
};

const progress = async (events: number) => {
  const goal = (await published()) + events;
  await eventually(async () => (await published()) >= goal);
};

/** Starts publishers and waits until they can take the lead. */
async function start(count: number, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess[]> {
  const started = await Promise.all(Array.from({ length: count }, () => stage.spawn(env)));
  await Promise.all(started.map((child) => child.waitFor(/"msg":"started"/)));
  return started;
}

describe('when the leader is killed', () => {
  test.each([1, 2, 5])('another of %i carries on, and nothing is lost or out of order', async (count) => {
    const producer = stage.produce();
    await start(count, patient);
    for (let kill = 1; kill <= 2; kill += 1) {
      const { process, epoch } = await stage.leader();
      await progress(Math.ceil(Math.random() * 150));
      process.kill();
      if (count === 1) await start(1, patient);
      await stage.leader(epoch);
      await progress(1);
      if (count === 2 && kill === 1) await start(1, patient);
    }
    await producer.stop();

    await isComplete();
  });

  test('while it writes again what Redis lost, another finishes that', async () => {
    await stage.append(600);
    await start(1);
    await isComplete();
    for (let kill = 1; kill <= 2; kill += 1) {
      const { process, epoch } = await stage.leader();
      await start(1);
      const producer = stage.produce();
      const client = stage.redis.client();
      await client.flushall();
      await eventually(async () => (await client.xlen('events:user')) >= kill * 100, { intervalMs: 1 });
      client.disconnect();
      process.kill();
      await stage.leader(epoch);
      await producer.stop();
      await isComplete();
    }
  });
});

test('a leader that was stopped until another took over writes nothing out of order when it continues, and stands by', async () => {
  const producer = stage.produce();
  await start(2, { LEADER_SESSION_TIMEOUT: '2s' });
  for (let round = 0; round < 2; round += 1) {
    const { process: zombie, epoch } = await stage.leader();
    await progress(Math.ceil(Math.random() * 100));
    const heard = zombie.output().length;
    zombie.kill('SIGSTOP');
    const successor = await eventually(async () => {
      const leader = await stage.leader(epoch);
      return leader.process.pid !== zombie.pid && leader;
    });
    await progress(40);
    zombie.kill('SIGCONT');
    await zombie.waitFor((output) => output.slice(heard).includes('following: '));
    await progress(40);
    expect((await stage.leader()).epoch).toBe(successor.epoch);
  }
  await producer.stop();

  await isComplete();
});

test('a leader that is asked to stop finishes what is under way, records it, and ends with status 0', async () => {
  const producer = stage.produce();
  for (let round = 0; round < 2; round += 1) {
    const children = await start(1, patient);
    await progress(Math.ceil(Math.random() * 200));
    for (const child of children) expect(await child.stop()).toEqual(status0);
  }
  await producer.stop();
  await start(1, patient);

  await isComplete({ ...complete, repeated: 0 });
});

test('a standby says once that it stands by, and nothing else is in its way', async () => {
  await start(1, patient);
  await stage.leader();
  const [standby] = await start(1, patient);
  await standby?.waitFor(/"level":"info".*"msg":"standing by: another publisher leads/);
  await stage.append(3);
  await isComplete();

  expect(standby?.output().match(/standing by: /g)).toHaveLength(1);
  expect(standby?.output()).not.toMatch(/following: |cannot lead: /);
});

test('a standby that is asked to stop ends with status 0', async () => {
  const leaders = await start(1, patient);
  await stage.leader();
  const standbys = await start(1, patient);

  for (const child of standbys) expect(await child.stop()).toEqual(status0);
  await stage.append(3);
  await isComplete();
  for (const child of leaders) expect(await child.stop()).toEqual(status0);
});

test('a leader whose connections are terminated goes on, or another does, without losing anything', async () => {
  const producer = stage.produce();
  const both = await start(2);
  for (let round = 0; round < 4; round += 1) {
    const { epoch } = await stage.leader();
    await progress(Math.ceil(Math.random() * 60));
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'outbox-publisher-%'`.execute(
      stage.database.db,
    );
    await stage.leader(epoch);
  }
  await producer.stop();

  await isComplete();
  for (const child of both) expect(await child.stop(), child.output()).toEqual(status0);
});

test('publishers outlive a crash and a restart of PostgreSQL', async () => {
  await stage.close();
  const postgres = await startPostgres();
  try {
    stage = await createStage(postgres.url());
    const producer = stage.produce();
    const both = await start(2);
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const { epoch } = await stage.leader();
      await progress(50);
      await postgres.kill(signal);
      await postgres.restart();
      await stage.leader(epoch);
      await progress(50);
    }
    await producer.stop();

    await isComplete();
    for (const child of both) expect(await child.stop(), child.output()).toEqual(status0);
    await stage.close();
  } finally {
    await postgres.stop();
  }
  stage = await createStage(inject('postgresUrl'));
});

test('publishers outlive a Redis that comes back empty', async () => {
  const producer = stage.produce();
  await start(2);
  await progress(100);
  await stage.redis.restart({ keepData: false });
  await progress(100);
  await producer.stop();

  await isComplete();
});
