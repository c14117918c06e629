import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listObjects } from '@event-bus/archive';
import { loadReplays, requestHistory } from '@event-bus/database';
import { eventually, type ServiceProcess, spawnService } from '@event-bus/testkit';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { createStage, type Stage } from './testing.ts';

const group = 'projection';
const stream = 'events:user';
const runnerFolder = join(import.meta.dirname, '..', '..', 'consumer-runner', 'src');

let stage: Stage;
let runners: ServiceProcess[];
let folder: string;

afterEach(async () => {
  for (const runner of runners) runner.kill('SIGKILL');
  await Promise.all(runners.map(({ exited }) => exited));
  await stage.close();
});

/** A group that starts from the archive and writes down what it handles. */
async function setUp(): Promise<void> {
  runners = [];
  stage = await createStage(inject('postgresUrl'));
  await stage.database.pool.query(`create table ledger (
    number bigint generated always as identity, consumer_group text not null, event_id uuid not null,
    aggregate_id text not null, name text not null, pid integer not null, attempt integer not null)`);
  folder = join(stage.folder.path, 'consumer');
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: group, type: 'module', exports: './consumer.js' }),
  );
  const options = { group, ordering: 'aggregate', startFrom: 'archive' };
  writeFileSync(
    join(folder, 'consumer.js'),
    `import { ledgerConsumer } from ${JSON.stringify(join(runnerFolder, 'testing', 'ledger-consumer.ts'))};
     export default ledgerConsumer(${JSON.stringify(options)});`,
  );
}

async function run(): Promise<ServiceProcess> {
  const runner = await spawnService({
    entry: join(runnerFolder, 'main.ts'),
    env: {
      DATABASE_URL: stage.database.url,
      REDIS_URL: stage.redis.url,
      CONSUMERS: folder,
      CLAIM_IDLE: '1500ms',
      RECLAIM_EVERY: '200ms',
      LEASE_TTL: '1500ms',
    },
  });
  runners.push(runner);
  return runner;
}

async function handled(): Promise<{ event_id: string; aggregate_id: string }[]> {
  const { rows } = await stage.database.pool.query<{ event_id: string; aggregate_id: string }>(
    'select event_id, aggregate_id from ledger order by number',
  );
  return rows;
}

const untilHandled = (count: number) =>
  eventually(async () => (await handled()).length >= count, {
    message: `${count} to be handled`,
  });

/** All of them were handled once, each aggregate's in order. */
async function expectHistory(events: readonly Readonly<Record<string, string>>[]): Promise<void> {
  await untilHandled(events.length);
  const byAggregate = (rows: readonly { event_id?: string; aggregate_id?: string }[]) =>
    new Map(
      [...Map.groupBy(rows, (row) => row.aggregate_id)].map(([id, own]) => [
        id,
        own.map((row) => row.event_id),
      ]),
    );
  expect(byAggregate(await handled())).toEqual(byAggregate(events));
  // History counts as live traffic: none of it is handled when it comes again.
  const { rows } = await stage.database.pool.query('select distinct replay_id from inbox_events');
  expect(rows).toEqual([{ replay_id: '' }]);
}

describe('a group that starts from the archive', () => {
  test('handles all history, then what is live, in order, whatever is killed on the way', async () => {
    await setUp();
    const old = await stage.publish(600);
    await stage.archiveAndTrim(400);
    const [replayer, runner] = [await stage.spawn({ REPLAY_AHEAD: '50' }), await run()];
    await untilHandled(60);
    const live = await stage.publish(100);
    replayer.kill('SIGKILL');
    runner.kill('SIGKILL');
    const [, second] = [await stage.spawn({ REPLAY_AHEAD: '50' }), await run()];
    await stage.archiveAndTrim(50);
    await untilHandled(450);
    second.kill('SIGKILL');
    const third = await run();

    await expectHistory([...old, ...live]);

    await third.waitFor(/"msg":"started"/);
    const later = await stage.publish(5);
    await expectHistory([...old, ...live, ...later]);
  });

  test('survives a Redis that forgets everything in the midst of it', async () => {
    await setUp();
    const events = await stage.publish(500);
    await stage.archiveAndTrim(300);
    await stage.spawn({ REPLAY_AHEAD: '50' });
    await run();
    await untilHandled(100);
    await stage.client.flushall();
    await stage.writeAgain(events.slice(300));

    await expectHistory(events);
  });

  test('begins with the stream where there is no archive, which is said', async () => {
    await setUp();
    const events = await stage.publish(50);
    const runner = await run();
    await runner.waitFor(/what is live waits until a replayer has brought all of it/);
    expect(await handled()).toEqual([]);
    const replayer = await stage.spawn({ ARCHIVE_URL: '' });

    await expectHistory(events);

    await replayer.waitFor(/there is no archive: the group begins with what is in the streams/);
    await runner.waitFor(/the history of a stream is through/);
  });
});

describe('a history of which objects are gone behind the place where it is', () => {
  /** Three hours of events, and a history that is so many entries into the first of them. */
  async function setUpAt(place: number): Promise<{ id: string; hours: string[][] }> {
    await setUp();
    const hours: string[][] = [];
    await stage.archivePast(3, () => {
      const events = Array.from({ length: 20 }, () => stage.eventFields());
      hours.push(events.map(({ event_id }) => event_id ?? ''));
      return events;
    });
    const { db } = stage.database;
    await requestHistory(db, { group: 'directory', streams: [stream] });
    const [history] = await loadReplays(db, { group: 'directory', limit: 1 });
    const [object] = await Array.fromAsync(listObjects(stage.store, { stream }));
    const id = `${Number(object?.firstId.split('-')[0]) + place - 1}-0`;
    await db.updateTable('replay_streams').set({ injected_to: id, handled_to: id }).execute();
    return { id: history?.id ?? '', hours };
  }

  /** Deletes the objects of these hours. */
  async function remove(from: number, to: number): Promise<void> {
    const objects = await Array.fromAsync(listObjects(stage.store, { stream }));
    await stage.store.delete(objects.slice(from, to).map(({ key }) => key));
  }

  test('goes on with what there is if all up to them has expired', async () => {
    const { id, hours } = await setUpAt(10);
    await remove(0, 2);
    await stage.spawn();

    await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(hours[2]);
  });

  test.each([2, 3])('fails if that of its place is there, and those up to hour %i are not', async (to) => {
    const { id } = await setUpAt(20);
    await remove(1, to);
    await stage.spawn();

    expect((await stage.until(id, 'failed')).error).toMatch(
      /is missing|is neither in the archive nor in the stream/,
    );
    expect(stage.given).toEqual([]);
  });
});
