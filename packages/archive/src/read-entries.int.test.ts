import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, keysOf } from './conformance/setup.ts';
import { DamagedObjectError, MissingObjectError, ObjectMissingError, UnknownFormatError } from './errors.ts';
import { idsBetween } from './layout/entry-id.ts';
import { objectKey } from './layout/object-key.ts';
import { readEntries } from './read-entries.ts';
import { contentOf } from './store/content.ts';
import type { ArchiveStore } from './store/store.ts';
import { read, write } from './testing/archive.ts';
import { eventAt, events, HOUR, STREAM } from './testing/entries.ts';
import { openFiles } from './testing/open-stores.ts';
import { redescribe } from './testing/repack.ts';
import { STORES } from './testing/stores.ts';
import { verifyObject } from './verify-object.ts';

const MINUTE_MS = 60_000;

/** Ten events a minute apart, written as objects of so many. */
async function writeTen(
  store: ArchiveStore,
  perObject: number,
): Promise<{ all: StreamEntry[]; keys: string[] }> {
  const all = [...events(10, { stepMs: MINUTE_MS })];
  const keys: string[] = [];
  let after = '0-0';
  for (let at = 0; at < all.length; at += perObject) {
    const [written] = await write(store, all.slice(at, at + perObject), { after });
    keys.push(written?.key ?? '');
    after = written?.description.lastId ?? '';
  }
  return { all, keys };
}

describe.each(STORES)('reading %s', (_, open) => {
  test('gives what was written, from any entry to any other', async () => {
    const { store } = await open();
    const { all } = await writeTen(store, 3);
    const id = (n: number) => all[n]?.id ?? '';

    expect(await read(store)).toEqual({ entries: all, from: '0-0', to: id(9) });
    expect(await read(store, { from: id(4) })).toMatchObject({ entries: all.slice(4), to: id(9) });
    expect(await read(store, { to: id(4) })).toMatchObject({ entries: all.slice(0, 5), to: id(4) });
    expect(await read(store, { from: id(2), to: id(2) })).toMatchObject({ entries: [all[2]], to: id(2) });
    expect(await read(store, { from: id(5), to: id(6) })).toMatchObject({ entries: all.slice(5, 7) });
    const between = { from: `${HOUR + 1}-0`, to: `${HOUR + 2}-0` };
    expect(await read(store, between)).toMatchObject({ entries: [], to: between.to });
  });

  test('takes times for what the server stamped entries with', async () => {
    const { store } = await open();
    const { all } = await writeTen(store, 3);
    const range = idsBetween(new Date(HOUR + 2 * MINUTE_MS), new Date(HOUR + 5 * MINUTE_MS));

    expect((await read(store, range)).entries).toEqual(all.slice(2, 5));
  });

  test('says where the archive begins and ends', async () => {
    const { store } = await open();
    const entries = [...events(5, { fromMs: HOUR + MINUTE_MS })];
    const [written] = await write(store, entries, { after: `${HOUR}-0` });
    const last = written?.description.lastId ?? '';

    const known = { from: `${HOUR}-0`, to: last };
    expect(await read(store)).toEqual({ entries, ...known });
    expect(await read(store, { from: `${HOUR - 1}-0`, to: `${HOUR + 2 * MINUTE_MS}-0` })).toEqual({
      entries,
      ...known,
    });
    // All of the range was before it, or is behind it.
    expect(await read(store, { to: `${HOUR}-0` })).toEqual({ entries: [], from: null, to: null });
    expect(await read(store, { from: `${HOUR + 3 * MINUTE_MS}-0` })).toEqual({
      entries: [],
      from: null,
      to: null,
    });
    expect(await read(store, { stream: 'events:other' })).toEqual({ entries: [], from: null, to: null });
    // Nothing was there, and that is known.
    expect(await read(store, { from: `${HOUR + 1}-0`, to: `${HOUR + 2}-0` })).toEqual({
      entries: [],
      from: `${HOUR}-0`,
      to: `${HOUR + 2}-0`,
    });
  });

  test('gives an entry once that several objects hold', async () => {
    const { store } = await open();
    const all = [...events(20, { stepMs: MINUTE_MS })];
    const afterOf = (n: number) => all[n - 1]?.id ?? '0-0';
    for (const [from, to] of [
      [0, 9],
      [0, 5],
      [5, 12],
      [7, 20],
      [12, 14],
      [14, 20],
    ] as const) {
      await write(store, all.slice(from, to), { after: afterOf(from) });
    }

    expect(await read(store)).toEqual({ entries: all, from: '0-0', to: all[19]?.id });
    expect((await read(store, { from: afterOf(8), to: afterOf(13) })).entries).toEqual(all.slice(7, 13));
  });

  test('names what is missing between two objects, before it gives out what comes behind', async () => {
    const { store } = await open();
    const { all, keys } = await writeTen(store, 2);
    const id = (n: number) => all[n]?.id ?? '';
    await store.delete([keys[2] ?? '']);
    const reading = readEntries(store, { stream: STREAM });
    const seen: StreamEntry[] = [];

    const failure = await (async () => {
      for await (const entry of reading) seen.push(entry);
    })().catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(MissingObjectError);
    expect(failure).toMatchObject({ stream: STREAM, after: id(3), upTo: id(5), nextKey: keys[3] });
    expect(seen).toEqual(all.slice(0, 4));
    // At both ends of a range as well, and not where it is none of its business.
    for (const range of [
      { from: id(4) },
      { to: id(4) },
      { from: id(4), to: id(4) },
      { from: id(3), to: id(4) },
    ]) {
      await expect(read(store, range)).rejects.toThrow(MissingObjectError);
    }
    expect((await read(store, { to: id(3) })).entries).toEqual(all.slice(0, 4));
    expect((await read(store, { from: id(6) })).entries).toEqual(all.slice(6));
  });

  test('takes no gap for one that another object closes', async () => {
    const { store } = await open();
    const all = [...events(6, { stepMs: MINUTE_MS })];
    const id = (n: number) => all[n]?.id ?? '';
    await write(store, all.slice(0, 2));
    await write(store, all.slice(3, 5), { after: id(2) });
    // Written after two entries were deleted from the stream.
    await write(store, all.slice(4), { after: id(1) });

    expect(await read(store)).toEqual({
      entries: [...all.slice(0, 2), ...all.slice(3)],
      from: '0-0',
      to: id(5),
    });
  });

  test.each([
    [
      'is altered',
      (bytes: Buffer) =>
        bytes.fill(bytes.readUInt8(bytes.length - 30) ^ 1, bytes.length - 30, bytes.length - 29),
    ],
    ['is truncated', (bytes: Buffer) => bytes.subarray(0, -10)],
    ['is cut off in its header', (bytes: Buffer) => bytes.subarray(0, 40)],
    ['is empty', () => Buffer.alloc(0)],
    ['was continued', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
    [
      'is something else',
      () => Buffer.from('something else, and long enough that it could be a header '.repeat(3)),
    ],
  ])('gives nothing out of an object that %s, and names it', async (_case, damage) => {
    const { store } = await open();
    const { all, keys } = await writeTen(store, 5);
    const key = keys[1] ?? '';
    await store.put(key, contentOf([damage(await bytesOf(store, key))]), { replace: true });
    const seen: StreamEntry[] = [];

    const failure = await (async () => {
      for await (const entry of readEntries(store, { stream: STREAM })) seen.push(entry);
    })().catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(DamagedObjectError);
    expect(failure).toMatchObject({ key });
    expect(seen).toEqual(all.slice(0, 5));
    await expect(verifyObject(store, key)).rejects.toThrow(DamagedObjectError);
    expect((await read(store, { to: all[3]?.id ?? '' })).entries).toEqual(all.slice(0, 4));
  });

  test.each([
    ['has another stream', { stream: 'events:other' }],
    ['has another range', { lastId: `${HOUR + 1}-1` }],
    ['begins behind itself', { after: `${HOUR + 1}-0` }],
    ['says nothing of its schema', { schema: undefined }],
    ['lacks a hash', { contentSha256: undefined }],
  ])('refuses an object whose description %s', async (_case, change) => {
    const { store } = await open();
    const { keys } = await writeTen(store, 10);
    const key = keys[0] ?? '';
    const changed = redescribe(await bytesOf(store, key), (description) => ({ ...description, ...change }));
    await store.put(key, contentOf(changed), { replace: true });

    await expect(read(store)).rejects.toThrow(DamagedObjectError);
  });

  test.each([
    ['too few', { count: 11 }],
    ['too many', { count: 9 }],
    ['other entries', { contentSha256: '0'.repeat(64) }],
  ])('finds %s in an object that is sealed', async (_case, change) => {
    const { store } = await open();
    const { keys } = await writeTen(store, 10);
    const key = keys[0] ?? '';
    const changed = redescribe(await bytesOf(store, key), (description) => ({ ...description, ...change }));
    await store.put(key, contentOf(changed), { replace: true });

    await expect(verifyObject(store, key)).rejects.toThrow(DamagedObjectError);
  });

  test('says that an object is of a later version', async () => {
    const { store } = await open();
    const { keys } = await writeTen(store, 10);
    const key = keys[0] ?? '';
    const changed = redescribe(await bytesOf(store, key), () => ({ schema: 2, first: 'something new' }));
    await store.put(key, contentOf(changed), { replace: true });

    await expect(read(store)).rejects.toThrow(UnknownFormatError);
  });

  test('passes over what is no object of an archive', async () => {
    const { store } = await open();
    const { all } = await writeTen(store, 5);
    for (const name of ['_SUCCESS', 'date=2026-09-21/notes.txt']) {
      await store.put(`stream=events%3Auser/${name}`, contentOf([Buffer.from('x')]));
    }

    expect((await read(store)).entries).toEqual(all);
  });

  test('says so when an object is deleted while it reads', async () => {
    const { store } = await open();
    const { keys } = await writeTen(store, 2);
    const reading = readEntries(store, { stream: STREAM })[Symbol.asyncIterator]();
    await reading.next();
    await store.delete(keys);

    const rest = Array.fromAsync({ [Symbol.asyncIterator]: () => reading });

    await expect(rest).rejects.toThrow(ObjectMissingError);
  });

  test('refuses a range that is none', async () => {
    const { store } = await open();

    await expect(read(store, { from: 'yesterday' })).rejects.toThrow(/yesterday is no end of a range/);
    await expect(read(store, { to: '+' })).rejects.toThrow(RangeError);
  });
});

describe('reading from S3', () => {
  test('loads an object again that was altered on its way', async () => {
    const [, openOnS3] = STORES[1] ?? [];
    const opened = await openOnS3?.();
    const network = opened?.network;
    if (opened === undefined || network === undefined) throw new Error('S3 has a network');
    const { all } = await writeTen(opened.store, 10);
    const altered = network.inject({ kind: 'flip-reply-bit' }, { operation: 'GetObject' });

    expect((await read(opened.store)).entries).toEqual(all);

    expect(altered.hits()).toBe(1);
  });
});

describe('reading many objects', () => {
  test('lists and loads them only as it gets to them', async () => {
    const opened = await STORES[1]?.[1]();
    const network = opened?.network;
    if (opened === undefined || network === undefined) throw new Error('S3 has a network');
    await write(opened.store, events(50), { maxObjectBytes: 1 });
    const before = network.requests().length;

    let seen = 0;
    for await (const _entry of readEntries(opened.store, { stream: STREAM })) {
      seen += 1;
      if (seen === 10) break;
    }

    const asked = network
      .requests()
      .slice(before)
      .map(({ operation }) => operation);
    expect(asked.filter((operation) => operation === 'GetObject').length).toBeLessThan(13);
    expect(asked.filter((operation) => operation === 'ListObjectsV2').length).toBeLessThan(6);
  });
});

describe('reading what any runs have left', () => {
  const FIRST = HOUR + 3_590_000;
  const all = [...events(40, { fromMs: FIRST, stepMs: 500 })];
  const idOf = (n: number) => all[n]?.id ?? '0-0';

  /** Ranges of entries by number, such as killed, repeated and concurrent runs write them, and which objects are gone. */
  const runs = fc.array(fc.tuple(fc.nat({ max: 39 }), fc.nat({ max: 39 })), { minLength: 1, maxLength: 8 });
  const asked = fc.tuple(fc.nat({ max: 39 }), fc.nat({ max: 39 }));

  test('gives all entries of the range once and in order, or says what is missing', async () => {
    await fc.assert(
      fc.asyncProperty(runs, asked, async (given, [a, b]) => {
        const { store } = await openFiles();
        for (const [x, y] of given) {
          const [first, last] = [Math.min(x, y), Math.max(x, y)];
          await write(store, all.slice(first, last + 1), { after: first === 0 ? '0-0' : idOf(first - 1) });
        }
        // Objects end with the hour: what a run wrote on both sides of it are two.
        const covers = all.map((_, n) => given.some(([x, y]) => Math.min(x, y) <= n && n <= Math.max(x, y)));
        const [from, to] = [Math.min(a, b), Math.max(a, b)];

        const result = await read(store, {
          from: idOf(from),
          to: idOf(to),
        }).catch((error: unknown) => error);

        const wanted = covers.slice(from, to + 1);
        if (wanted.every(Boolean)) {
          expect(result).toMatchObject({
            entries: all.slice(from, to + 1),
            to: idOf(to),
          });
        } else if (result instanceof MissingObjectError) {
          expect(wanted.includes(false)).toBe(true);
        } else {
          // Something is not there: only what is before all, or behind all, may go without an error.
          const { entries, from: began, to: ended } = result as Awaited<ReturnType<typeof read>>;
          const inside = wanted.slice(wanted.indexOf(true), wanted.lastIndexOf(true) + 1);
          expect(inside.includes(false)).toBe(false);
          expect(entries).toEqual(all.filter((_, n) => covers[n] && from <= n && n <= to));
          if (wanted[0] === false && began !== null)
            expect(compareEntryIds(began, idOf(from))).toBeGreaterThanOrEqual(0);
          if (wanted.at(-1) === false && ended !== null)
            expect(compareEntryIds(ended, idOf(to))).toBeLessThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('finds every object under a key that orders like its entries', async () => {
    const { store } = await openFiles();
    const ids = ['5-9', '5-10', '5-100', '50-1', '500-0', '3600000-0', '36000000-1'];
    for (const [n, id] of ids.entries()) await write(store, [eventAt(id)], { after: ids[n - 1] ?? '0-0' });

    expect(await keysOf(store.list({ prefix: '' }))).toEqual(
      ids.map((id) => objectKey({ stream: STREAM, firstId: id, lastId: id })),
    );
    expect((await read(store)).entries.map(({ id }) => id)).toEqual(ids);
  });
});
