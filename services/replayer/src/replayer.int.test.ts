import { readFileSync } from 'node:fs';
import { listObjects } from '@event-bus/archive';
import { cancelReplay, pauseReplay, resumeReplay } from '@event-bus/operations';
import { eventually } from '@event-bus/testkit';
import { placeKey } from '@event-bus/transport';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { createStage, firstOf, type Stage } from './testing.ts';

let stage: Stage;
afterEach(() => stage.close());

// What is counted when another replayer takes over falls short of what was injected: these tests are of one that never
// stops, and on a busy machine it may look for some seconds as if it had.
const neverReplaced = { REPLAY_LOCK: '10m' };
const order = { operator: 'ann', reason: null };
const idsOf = (events: readonly Readonly<Record<string, string>>[]) =>
  events.map(({ event_id }) => event_id ?? '');

describe('a replay', () => {
  test('brings archive and stream to the group, each event once and in order, while both are archived and trimmed', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(1_500);
    await stage.archiveAndTrim(300);
    const id = await stage.request();
    await stage.spawn(neverReplaced);
    for (let n = 0; n < 6; n += 1) {
      const before = stage.given.length;
      await stage.archiveAndTrim(150);
      await eventually(() => stage.given.length > before || stage.given.length === events.length);
    }

    const replay = await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(idsOf(events));
    expect(new Set(stage.given.map(({ replayId }) => replayId))).toEqual(new Set([id]));
    expect(replay.streams).toMatchObject([{ scanned: 1_500, injected: 1_500, handled: 1_500, isDone: true }]);
    // Nothing is left behind.
    expect(await stage.client.keys('{events:user}:replays')).toEqual([]);
    await eventually(
      async () => (await stage.client.keys(`{event-bus:replayer}:replays:*${id}*`)).length === 0,
    );
  });

  test('goes on after each kill, wherever it strikes, without a gap', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(1_200);
    await stage.archiveAndTrim(700);
    const id = await stage.request();
    for (let at = 100; at < 1_200; at += 275) {
      const replayer = await stage.spawn();
      await eventually(() => stage.given.length >= at);
      replayer.kill('SIGKILL');
      await replayer.exited;
    }
    await stage.spawn();

    await stage.until(id, 'done');

    // The mark moves with what is injected, so not even doubles come.
    expect(stage.eventIds()).toEqual(idsOf(events));
  });

  test('is worked on by one of several replayers, and a frozen one that thaws adds nothing', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(1_500);
    const first = await stage.spawn();
    const id = await stage.request();
    await eventually(() => stage.given.length >= 200);
    first.kill('SIGSTOP');
    await stage.spawn();
    const frozenAt = stage.given.length;
    await eventually(() => stage.given.length > frozenAt + 400);
    first.kill('SIGCONT');

    await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(idsOf(events));
    await eventually(() => /stopped or taken over/.test(first.output()));
  });

  test('survives a Redis that forgets everything, jobs too: what was lost comes again, and nothing is missing', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(1_200);
    await stage.archiveAndTrim(400);
    const kept = events.slice(400);
    const id = await stage.request();
    await stage.spawn();
    await eventually(() => stage.given.length >= 600);
    await stage.pauseGroup();
    await stage.client.flushall();
    stage.resumeGroup();
    // As a publisher does, late and in two steps.
    await eventually(async () => (await stage.replay(id)).state === 'running');
    await stage.writeAgain(kept.slice(0, 500));
    await stage.write(kept.slice(500));

    await stage.until(id, 'done');

    const received = new Set(stage.eventIds());
    expect(idsOf(events).filter((eventId) => !received.has(eventId))).toEqual([]);
    expect(firstOf(stage.eventIds())).toEqual(idsOf(events));
  });

  test('of a topic with partitions brings each of them whole and in order, through kills and a trim of some', async () => {
    stage = await createStage(inject('postgresUrl'), { partitions: 6 });
    const { partitionStreams } = stage;
    const events = new Map<string, string[]>();
    for (const [n, stream] of partitionStreams.entries()) {
      // One of them is empty.
      events.set(stream, idsOf(await stage.publish(n * 60, () => ({}), stream)));
      if (n % 2 === 1) await stage.archiveAndTrim(n * 40, stream);
    }
    const id = await stage.request({}, 600);
    for (const at of [150, 500]) {
      const replayer = await stage.spawn({ REPLAY_AHEAD: '50' });
      await eventually(() => stage.given.length >= at);
      await stage.archiveAndTrim(30, partitionStreams[4] ?? '');
      replayer.kill('SIGKILL');
      await replayer.exited;
    }
    await stage.spawn();

    const replay = await stage.until(id, 'done');

    for (const [stream, own] of events) {
      const given = stage.given.filter((event) => event.stream === stream).map(({ eventId }) => eventId);
      expect([stream, given]).toEqual([stream, own]);
    }
    expect(stage.given.length).toBe(900);
    expect(replay.streams.map(({ stream, isDone }) => `${stream} ${isDone}`)).toEqual(
      partitionStreams.slice(1).map((stream) => `${stream} true`),
    );
    expect(await stage.client.keys('{events:user:?}:replays')).toEqual([]);
  });

  test('brings again what was lost with its inject stream', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(500);
    await stage.pauseGroup();
    await stage.spawn();
    const id = await stage.request();
    await eventually(async () => (await stage.replay(id)).streams.some(({ injected }) => injected > 0));
    await stage.client.del(placeKey({ ...stage.ref, injected: true }));
    stage.resumeGroup();

    await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(idsOf(events));
  });

  test.each([
    ['has no memory left', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['is demoted', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ] as const)('waits while Redis %s, and goes on behind what it injected last', async (_, begin, end) => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(600);
    await stage.archiveAndTrim(200);
    const replayer = await stage.spawn();
    const id = await stage.request({}, 300);
    await eventually(() => stage.given.length >= 100);
    // Held in the midst of it: it is no further ahead than it may be, and has room to inject when it goes on.
    replayer.kill('SIGSTOP');
    await eventually(async () => (await stage.mover.injectedCount(stage.ref)) === 0);
    await stage.pauseGroup();

    await stage.client.call(begin[0], ...begin.slice(1));
    replayer.kill('SIGCONT');
    await replayer.waitFor(/a replay cannot go on for now/);
    await stage.client.call(end[0], ...end.slice(1));
    stage.resumeGroup();

    await stage.until(id, 'done');
    expect(stage.eventIds()).toEqual(idsOf(events));
  });

  test('brings what the filters select, by the time at which events occurred', async () => {
    stage = await createStage(inject('postgresUrl'));
    const at = (n: number) => new Date(Date.UTC(2026, 0, 1, n)).toISOString();
    const recently = Date.now();
    const events = await stage.publish(300, (n) => ({
      event_type: n % 2 === 0 ? 'user.renamed' : 'user.deleted',
      tenant_id: n % 3 === 0 ? 'acme' : 'globex',
      aggregate_id: `u-${n % 5}`,
      // Published now, whenever they occurred.
      occurred_at: n < 10 ? at(n) : new Date(recently - 60_000 + n).toISOString(),
    }));
    await stage.archiveAndTrim(150);
    const from = { at: new Date(recently - 60_000 + 20) };
    const to = { at: new Date(recently - 60_000 + 250) };
    const id = await stage.request({
      from,
      to,
      eventType: 'user.renamed',
      tenantId: 'acme',
      aggregateId: 'u-0',
    });
    await stage.spawn(neverReplaced);

    const replay = await stage.until(id, 'done');

    const wanted = events.filter((_, n) => n >= 20 && n <= 250 && n % 2 === 0 && n % 3 === 0 && n % 5 === 0);
    expect(stage.eventIds()).toEqual(idsOf(wanted));
    expect(replay.streams[0]).toMatchObject({ injected: wanted.length, scanned: 300 });
  });

  test('takes a range of entry IDs literally', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(60);
    const entries = await stage.streams.range(stage.stream, '-', '+', 60);
    await stage.archiveAndTrim(30);
    const id = await stage.request({
      from: { id: entries[20]?.id ?? '' },
      to: { id: entries[40]?.id ?? '' },
    });
    await stage.spawn();

    await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(idsOf(events).slice(20, 41));
  });

  test('keeps to its rate', async () => {
    stage = await createStage(inject('postgresUrl'));
    await stage.publish(90);
    await stage.spawn();
    const beganAt = performance.now();

    await stage.until(await stage.request({}, 60), 'done');

    // Not faster; how much slower is the machine's business.
    expect(performance.now() - beganAt).toBeGreaterThan(1_200);
    expect(stage.given.length).toBe(90);
  });

  test('runs no further ahead of the group than it may', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(900);
    await stage.pauseGroup();
    const replayer = await stage.spawn();
    const id = await stage.request();
    const length = async () => stage.client.xlen(placeKey({ ...stage.ref, injected: true }));
    await eventually(async () => (await length()) >= 150);
    await replayer.stop();
    await stage.spawn();
    await eventually(async () => (await stage.replay(id)).token > '1');

    expect(await length()).toBeLessThan(150 + 200);
    stage.resumeGroup();
    await stage.until(id, 'done');
    expect(stage.eventIds()).toEqual(idsOf(events));
  });

  test('stops when it is paused, goes on when it is resumed, and takes back what nobody has read when it is cancelled', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(900);
    await stage.spawn();
    const id = await stage.request({}, 400);
    await eventually(() => stage.given.length >= 50);
    await pauseReplay(stage.database.db, id, order);
    const paused = await stage.until(id, 'paused');
    const inHand = async () => (await stage.mover.injectedCount(stage.ref)) === 0;
    await eventually(inHand);
    expect(stage.given.length).toBeLessThan(900);
    await expect(pauseReplay(stage.database.db, id, order)).rejects.toThrow(/is paused: it cannot be paused/);

    await resumeReplay(stage.database.db, id, order);
    await eventually(() => stage.given.length > (paused.streams[0]?.injected ?? 0) + 150);
    await stage.pauseGroup();
    await eventually(async () => (await stage.mover.injectedCount(stage.ref)) > 0);
    const withdrawn = await cancelReplay({ bus: stage.database.db, mover: stage.mover }, id, order);
    stage.resumeGroup();
    await eventually(inHand);

    const received = stage.eventIds();
    expect(withdrawn).toBeGreaterThanOrEqual(0);
    expect(received.length).toBeLessThan(900);
    expect(received).toEqual(idsOf(events).slice(0, received.length));
    expect((await stage.replay(id)).state).toBe('cancelled');
    await expect(resumeReplay(stage.database.db, id, order)).rejects.toThrow(/is cancelled/);
    const { rows } = await stage.database.pool.query(
      'select action, operator from operator_actions order by id',
    );
    expect(rows).toEqual(
      ['replay', 'replay-pause', 'replay-resume', 'replay-cancel'].map((action) => ({
        action,
        operator: 'ann',
      })),
    );
  });

  test('fails with the name of an object that is damaged, and goes on when that is restored', async () => {
    stage = await createStage(inject('postgresUrl'));
    const events = await stage.publish(400);
    await stage.archiveAndTrim(300);
    const objects = await Array.fromAsync(stage.store.list({ prefix: 'stream=' }));
    const key = objects[Math.floor(objects.length / 2)]?.key ?? '';
    const path = `${stage.folder.path}/${key}`;
    const { chmodSync, writeFileSync } = await import('node:fs');
    const whole = readFileSync(path);
    const broken = Buffer.from(whole);
    broken[broken.length - 20] = (broken[broken.length - 20] ?? 0) ^ 0xff;
    chmodSync(path, 0o600);
    writeFileSync(path, broken);
    await stage.spawn();
    const id = await stage.request();

    const failed = await stage.until(id, 'failed');
    expect(failed.error).toContain(key);
    writeFileSync(path, whole);
    await resumeReplay(stage.database.db, id, order);
    await stage.until(id, 'done');

    expect(stage.eventIds()).toEqual(idsOf(events));
  });

  test('reads a month of objects in a memory that does not grow with them', async () => {
    stage = await createStage(inject('postgresUrl'));
    const wanted: string[] = [];
    await stage.archivePast(1_000, (n) => {
      const bulk = Array.from({ length: 4 }, () =>
        stage.eventFields({
          event_type: 'user.deleted',
          payload: JSON.stringify({ of: 'x'.repeat(40_000) }),
        }),
      );
      const one = stage.eventFields({ payload: JSON.stringify({ name: `n-${n}` }) });
      wanted.push(one.event_id ?? '');
      return [...bulk, one];
    });
    const [live] = await stage.publish(1);
    const replayer = await stage.spawn({ REPLAY_AHEAD: '1000' });
    const held = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${replayer.pid}/status`, 'utf8'))?.[1]) / 1_024;
    const before = held();
    let most = 0;
    const id = await stage.request({ eventType: 'user.renamed' });
    await eventually(
      async () => {
        most = Math.max(most, held());
        return (await stage.replay(id)).state === 'done';
      },
      { timeoutMs: 50_000 },
    );

    expect(stage.eventIds()).toEqual([...wanted, live?.event_id]);
    // MiB; all objects together are 160.
    expect(most - before).toBeLessThan(120);
  });
});

test('a replay whose range expires before it is taken up fails, and says so', async () => {
  stage = await createStage(inject('postgresUrl'));
  await stage.publish(60);
  await stage.archiveAndTrim(60);
  const id = await stage.request();
  const objects = await Array.fromAsync(listObjects(stage.store, { stream: stage.stream }));
  await stage.store.delete(objects.map(({ key }) => key));
  await stage.spawn();

  expect((await stage.until(id, 'failed')).error).toMatch(/is neither in the archive nor in the stream/);
  expect(stage.given).toEqual([]);
});

test('a replay says so if its range has expired, or has nothing in it', async () => {
  stage = await createStage(inject('postgresUrl'));
  await stage.publish(10);
  const trimmed = await stage.streams.range(stage.stream, '-', '+', 5);
  const id = trimmed.at(-1)?.id ?? '';
  const [ms, sequence] = id.split('-');
  await stage.client.hset('{events:user}:writers', '@trimmed', id);
  await stage.client.xtrim(stage.stream, 'MINID', `${ms}-${Number(sequence) + 1}`);

  await expect(stage.request()).rejects.toMatchObject({ code: 'history_expired', begins: id });
  await expect(stage.request({ from: { id: trimmed[0]?.id ?? '' } })).rejects.toThrow(
    /has expired or was never archived/,
  );
  await expect(stage.request({ from: { at: new Date(Date.now() + 48 * 3_600_000) } })).rejects.toMatchObject({
    code: 'replay_empty',
  });
  await expect(stage.request({ group: 'nobody' })).rejects.toMatchObject({ code: 'unknown_group' });
  await expect(stage.request({ topic: 'nothing' })).rejects.toMatchObject({ code: 'unknown_topic' });
});
