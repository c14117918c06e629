import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { describeObject } from './archived-object.ts';
import { bytesOf, keysOf } from './conformance/setup.ts';
import { UnarchivableEntryError } from './errors.ts';
import { toCloudEvent } from './format/cloud-event.ts';
import { contentOf } from './store/content.ts';
import { read, write } from './testing/archive.ts';
import { eventAt, events, HOUR, STREAM } from './testing/entries.ts';
import { repack } from './testing/repack.ts';
import { STORES } from './testing/stores.ts';
import { verifyObject } from './verify-object.ts';
import { writeEntries } from './write-entries.ts';

const HOUR_MS = 3_600_000;

describe.each(STORES)('writing %s', (_, open) => {
  test('makes gzip files of one event a line, with a description in front', async () => {
    const { store } = await open();
    const entries = [...events(3)];

    const [written, ...others] = await write(store, entries, { after: '5-1' });

    expect(others).toEqual([]);
    const { key = '', description } = written ?? {};
    const lines = entries.map((entry) => `${toCloudEvent(STREAM, entry)}\n`).join('');
    const bytes = await bytesOf(store, key);
    expect(gunzipSync(bytes).toString()).toBe(lines);
    expect(description).toEqual({
      schema: 1,
      stream: STREAM,
      after: '5-1',
      firstId: `${HOUR}-0`,
      lastId: `${HOUR + 2_000}-2`,
      count: 3,
      contentBytes: lines.length,
      contentSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(written?.sizeBytes).toBe(bytes.length);
    expect(await describeObject(store, key)).toEqual(description);
    expect(await verifyObject(store, key)).toEqual(description);
  });

  test('begins a new object with each hour, and each object follows the one before', async () => {
    const { store } = await open();
    const entries = [...events(7, { stepMs: HOUR_MS / 2, fromMs: HOUR + HOUR_MS / 4 })];

    const written = await write(store, entries);

    expect(written.map(({ key }) => key.slice(0, key.lastIndexOf('/')))).toEqual(
      ['14', '15', '16', '17'].map((hour) => `stream=events%3Auser/date=2026-09-21/hour=${hour}`),
    );
    expect(written.map(({ description }) => description.count)).toEqual([2, 2, 2, 1]);
    const lasts = written.map(({ description }) => description.lastId);
    expect(written.map(({ description }) => description.after)).toEqual(['0-0', ...lasts.slice(0, -1)]);
    expect((await read(store)).entries).toEqual(entries);
  });

  test('keeps objects below their size limit, but for entries that are larger', async () => {
    const { store } = await open();
    const large = eventAt(`${HOUR + 50_000}-0`, { payload: JSON.stringify('x'.repeat(20_000)) });
    const entries = [...events(50), large, ...events(10, { fromMs: HOUR + 60_000 })];

    const written = await write(store, entries, { maxObjectBytes: 5_000 });

    const sizes = written.map(({ description }) => description.contentBytes);
    expect(sizes.filter((size) => size > 5_000)).toHaveLength(1);
    expect(Math.min(...sizes.slice(0, 3))).toBeGreaterThan(4_000);
    expect((await read(store)).entries).toEqual(entries);
  });

  test('makes the same objects again, and leaves them alone', async () => {
    const { store, connect } = await open();
    const entries = [...events(100, { stepMs: 90_000 })];
    const first = await write(store, entries, { maxObjectBytes: 5_000 });
    const before = await Array.fromAsync(store.list({ prefix: '' }));

    const second = await write(connect(), entries, { maxObjectBytes: 5_000 });

    expect(second).toEqual(first);
    expect(await Array.fromAsync(store.list({ prefix: '' }))).toEqual(before);
  });

  test('recognises the same entries in an object that was packed differently', async () => {
    const { store } = await open();
    const [written] = await write(store, events(5));
    const key = written?.key ?? '';
    const repacked = repack(await bytesOf(store, key));
    await store.put(key, contentOf(repacked), { replace: true });

    expect(await write(store, events(5))).toEqual([
      { ...written, sizeBytes: Buffer.concat(repacked).length },
    ]);

    expect((await bytesOf(store, key)).equals(Buffer.concat(repacked))).toBe(true);
  });

  test('replaces an object of the same entries that accounts for less, or is damaged', async () => {
    const { store } = await open();
    const [late] = await write(store, events(5), { after: '9-0' });
    const key = late?.key ?? '';

    await write(store, events(5), { after: '3-0' });
    expect((await describeObject(store, key)).after).toBe('3-0');
    await write(store, events(5), { after: '9-0' });
    expect((await describeObject(store, key)).after).toBe('3-0');

    const damaged = await bytesOf(store, key);
    damaged.writeUInt8(damaged.readUInt8(damaged.length - 20) ^ 1, damaged.length - 20);
    await store.put(key, contentOf([damaged]), { replace: true });
    await write(store, events(5), { after: '5-0' });
    expect(await verifyObject(store, key)).toMatchObject({ after: '5-0', count: 5 });
    expect(await keysOf(store.list({ prefix: '' }))).toEqual([key]);
  });

  test('never replaces other entries of the same range: they go beside them', async () => {
    const { store } = await open();
    const [one, two, three] = [...events(3)];
    if (one === undefined || two === undefined || three === undefined) throw new Error('three events');
    const other = { ...two, fields: { ...two.fields, event_id: 'another' } };
    await write(store, [one, two, three]);
    await write(store, [one, three]);
    await write(store, [one, other, three]);
    const keys = await keysOf(store.list({ prefix: '' }));

    await write(store, [one, three]);
    await write(store, [one, other, three]);

    expect(await keysOf(store.list({ prefix: '' }))).toEqual(keys);
    expect(keys).toHaveLength(3);
    const { entries } = await read(store);
    expect(entries).toHaveLength(4);
    expect(new Set(entries)).toEqual(new Set([one, two, other, three]));
    expect(entries.map(({ id }) => id)).toEqual([one.id, two.id, two.id, three.id]);
  });

  test('leaves what it cannot recognise where it is', async () => {
    const { store } = await open();
    const [written] = await write(store, events(3));
    const key = written?.key ?? '';
    const foreign = contentOf([Buffer.from('something else')]);
    await store.put(key, foreign, { replace: true });

    const [beside] = await write(store, events(3));
    expect(beside?.key).not.toBe(key);
    expect((await bytesOf(store, key)).toString()).toBe('something else');

    // Under a key with a hash it is known what should be there.
    await store.put(beside?.key ?? '', foreign, { replace: true });
    expect(await write(store, events(3))).toEqual([beside]);
    expect(await verifyObject(store, beside?.key ?? '')).toMatchObject({ count: 3 });
  });

  test('stops where its reader stops, and what was given out stays', async () => {
    const { store } = await open();
    let read_ = 0;
    const counted = function* () {
      for (const entry of events(1_000, { stepMs: 60_000 })) {
        read_ += 1;
        yield entry;
      }
    };

    for await (const { description } of writeEntries(store, {
      stream: STREAM,
      after: '0-0',
      entries: counted(),
    })) {
      if (description.firstId.startsWith(String(HOUR + HOUR_MS))) break;
    }

    expect(read_).toBe(121);
    expect(await keysOf(store.list({ prefix: '' }))).toHaveLength(2);
  });

  test.each([
    ['comes twice', ['7-1', '7-1'], '7-1'],
    ['comes late', ['7-1', '7-0'], '7-0'],
    ['comes before the beginning', ['5-1'], '5-1'],
    ['has no ID', ['7'], '7'],
    ['is of the year 10000', [`${Date.UTC(10_000, 0)}-0`], `${Date.UTC(10_000, 0)}-0`],
  ])('refuses an entry that %s', async (_case, ids, refused) => {
    const { store } = await open();

    const writing = write(
      store,
      ids.map((id) => eventAt(id)),
      { after: '5-1' },
    );

    await expect(writing).rejects.toThrow(UnarchivableEntryError);
    await expect(writing).rejects.toMatchObject({ stream: STREAM, entryId: refused });
    expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
  });

  test('passes on what goes wrong with the entries, and keeps what was complete', async () => {
    const { store } = await open();
    const breaking = function* () {
      yield* events(61, { stepMs: 60_000 });
      throw new Error('the stream broke');
    };

    await expect(write(store, breaking())).rejects.toThrow('the stream broke');

    expect((await read(store)).entries).toEqual([...events(60, { stepMs: 60_000 })]);
  });

  test('writes nothing where there is nothing', async () => {
    const { store } = await open();

    expect(await write(store, [])).toEqual([]);
    expect(await keysOf(store.list({ prefix: '' }))).toEqual([]);
  });
});
