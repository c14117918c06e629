import { spawnService } from '@event-bus/testkit';
import { describe, expect, test } from 'vitest';
import { keysOf } from './conformance/setup.ts';
import { findCoverage } from './coverage.ts';
import { deleteExpired, listExpired, setExpiryRules } from './expire.ts';
import { findEvent } from './find-event.ts';
import { listObjects, listStreams } from './list-objects.ts';
import { contentOf } from './store/content.ts';
import { read, write } from './testing/archive.ts';
import { eventAt, events, HOUR, STREAM } from './testing/entries.ts';
import { openS3 } from './testing/open-stores.ts';
import { STORES } from './testing/stores.ts';

const HOUR_MS = 3_600_000;

describe.each(STORES)('an archive %s', (_, open) => {
  test('lists objects with their ranges from their keys', async () => {
    const { store } = await open();
    const written = await write(store, events(10, { stepMs: HOUR_MS / 4 }));
    const range = { from: `${HOUR + HOUR_MS}-0`, to: `${HOUR + 2 * HOUR_MS - 1}-0` };

    const all = await Array.fromAsync(listObjects(store, { stream: STREAM }));
    const some = await Array.fromAsync(listObjects(store, { stream: STREAM, ...range }));

    expect(all).toEqual(
      written.map(({ key, description, sizeBytes }, n) => ({
        key,
        stream: STREAM,
        firstId: description.firstId,
        lastId: description.lastId,
        hour: new Date(HOUR + n * HOUR_MS),
        sizeBytes,
      })),
    );
    expect(some).toEqual(all.slice(1, 2));
  });

  test('knows its streams', async () => {
    const { store } = await open();
    for (const stream of ['events:user:1', 'events:user', 'events:user:10', 'events:project']) {
      for (const n of [1, 2, 3, 4])
        await write(store, [eventAt(`${n * HOUR_MS}-0`)], { stream, after: `${n}-0` });
    }
    await store.put('stream=', contentOf([]));
    await store.put('streams/of/others', contentOf([]));

    expect(await Array.fromAsync(listStreams(store))).toEqual([
      'events:project',
      'events:user:1',
      'events:user:10',
      'events:user',
    ]);
  });

  test('says how far it goes without a gap', async () => {
    const { store } = await open();
    const all = [...events(10)];
    const id = (n: number) => all[n]?.id ?? '';
    const coverage = (after: string) => findCoverage(store, { stream: STREAM, after });
    expect(await coverage('0-0')).toEqual({ upTo: '0-0', nextObject: null });

    await write(store, all.slice(0, 3));
    await write(store, all.slice(2, 5), { after: id(1) });
    await write(store, all.slice(7), { after: id(6) });

    expect(await coverage('0-0')).toMatchObject({ upTo: id(4), nextObject: { firstId: id(7) } });
    expect(await coverage(id(4))).toMatchObject({ upTo: id(4), nextObject: { firstId: id(7) } });
    expect(await coverage(id(6))).toEqual({ upTo: id(9), nextObject: null });
    expect(await coverage(id(8))).toEqual({ upTo: id(9), nextObject: null });
    expect(await coverage(`${HOUR + HOUR_MS}-0`)).toEqual({ upTo: `${HOUR + HOUR_MS}-0`, nextObject: null });

    await write(store, all.slice(5), { after: id(4) });
    expect(await coverage('0-0')).toEqual({ upTo: id(9), nextObject: null });
  });

  test('finds an event wherever it is, and only that one', async () => {
    const { store } = await open();
    const all = [...events(6, { stepMs: HOUR_MS / 2 })];
    const again = eventAt(`${HOUR + 4 * HOUR_MS}-0`, { event_id: all[1]?.fields.event_id ?? '' });
    const mentions = eventAt(`${HOUR + 4 * HOUR_MS}-1`, { causation_id: all[1]?.fields.event_id ?? '' });
    await write(store, [...all, again, mentions]);
    const eventId = all[1]?.fields.event_id ?? '';
    const find = async (range = {}) =>
      (await Array.fromAsync(findEvent(store, { stream: STREAM, eventId, ...range }))).map(
        ({ entry }) => entry,
      );

    expect(await find()).toEqual([all[1], again]);
    expect(await find({ to: all[1]?.id })).toEqual([all[1]]);
    expect(await find({ to: all[0]?.id })).toEqual([]);
    expect(await find({ from: all[2]?.id })).toEqual([again]);
    expect(await find({ eventId: 'missing' })).toEqual([]);
  });

  test('deletes what has expired, hour by hour, oldest first, and nothing else', async () => {
    const { store } = await open();
    const all = [...events(12, { stepMs: HOUR_MS / 2 })];
    await write(store, all);
    await write(store, all, { stream: 'events:user:1' });
    const expiry = { stream: STREAM, before: new Date(HOUR + 2.5 * HOUR_MS) };

    const expired = await Array.fromAsync(listExpired(store, expiry));
    const deleted = await Array.fromAsync(deleteExpired(store, expiry));

    expect(expired.map(({ hour }) => hour.getTime())).toEqual([HOUR, HOUR + HOUR_MS]);
    expect(deleted).toEqual([
      { objects: 2, bytes: expired.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
    ]);
    expect((await read(store)).entries).toEqual(all.slice(4));
    expect((await read(store, { stream: 'events:user:1' })).entries).toEqual(all);
    expect(await Array.fromAsync(deleteExpired(store, expiry))).toEqual([]);
  });

  test('is complete, and the same as ever, after any number of kills', async () => {
    const { store, env } = await open();
    const entry = new URL('./testing/archive-worker.ts', import.meta.url);
    const all = (hours: number) => [...events(hours * 120, { stepMs: HOUR_MS / 120 })];
    const run = (hours: number) =>
      spawnService({ entry, env, args: [String(all(hours).length), '30000', '9000'] });
    let [hours, kills] = [0, 0];
    while (kills < 6) {
      // One that is through before it is killed leaves something to do, too: there is an hour more each time.
      hours += 1;
      const worker = await run(hours);
      // Each a little further than the one before, and at no place in particular.
      await Promise.race([worker.exited, worker.waitFor(new RegExp(`(written.*\\s+){${hours % 4}}`))]);
      worker.kill();
      if ((await worker.exited).signal === 'SIGKILL') kills += 1;
    }
    await (await run(hours)).waitFor(/complete/);

    expect((await read(store)).entries).toEqual(all(hours));
    const uninterrupted = (await open()).store;
    await write(uninterrupted, all(hours), { maxObjectBytes: 9_000 });
    expect(await keysOf(store.list({ prefix: '' }))).toEqual(
      await keysOf(uninterrupted.list({ prefix: '' })),
    );
  });

  test('loses and doubles nothing to several archivers at once', async () => {
    const { store, connect } = await open();
    const all = [...events(300, { stepMs: 20_000 })];

    await Promise.all(
      [3_000, 5_000, 5_000, 20_000].map(async (maxObjectBytes, n) => {
        await write(connect(), all.slice(0, 300 - n), { maxObjectBytes });
      }),
    );

    expect((await read(store)).entries).toEqual(all);
    const { upTo } = await findCoverage(store, { stream: STREAM, after: '0-0' });
    expect(upTo).toBe(all.at(-1)?.id);
  });
});

describe('an archive on S3', () => {
  test('locks what it writes, also what it finds written', async () => {
    const { store } = await openS3();
    const { objectLock } = await store.capabilities();
    if (objectLock === null) throw new Error('the double has object locks');
    const until = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 60_000);
    const later = new Date(until.getTime() + 60_000);

    const [written] = await write(store, events(3), { retention: { mode: 'governance', until } });
    const key = written?.key ?? '';
    expect(await objectLock.retention(key)).toEqual({ mode: 'governance', until });
    await write(store, events(3), { retention: { mode: 'governance', until: later } });

    expect(await objectLock.retention(key)).toEqual({ mode: 'governance', until: later });
  });

  test('has the bucket expire streams that nobody looks after', async () => {
    const { store } = await openS3();
    const { lifecycle } = await store.capabilities();

    expect(await setExpiryRules(store, [{ stream: 'events:user', days: 97 }])).toBe(true);

    expect(await lifecycle?.rules()).toEqual([
      { id: expect.any(String) as string, prefix: 'stream=events%3Auser/', days: 97 },
    ]);
    await setExpiryRules(store, []);
  });
});
