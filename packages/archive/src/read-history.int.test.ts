import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { createMemoryBroker, type MemoryBroker } from '@event-bus/transport/memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deleteExpired } from './expire.ts';
import { type History, type HistoryRange, readHistory, readLeftEntries } from './read-history.ts';
import type { ArchiveStore } from './store/store.ts';
import { write } from './testing/archive.ts';
import { eventAt, events, HOUR, STREAM } from './testing/entries.ts';
import { openFiles } from './testing/open-stores.ts';

/** A stream in memory with these entries, and an archiver that works in steps. */
function setUp(store: ArchiveStore, all: readonly StreamEntry[]) {
  const broker = createMemoryBroker();
  for (const { id, fields } of all) broker.addEntry(STREAM, fields, id);
  const streams = broker.transport().observer();
  let archived = 0;
  return {
    broker,
    streams,
    history: { store, streams } satisfies History,
    /** Archives up to so many of all entries. */
    archive: async (count: number): Promise<void> => {
      if (count <= archived) return;
      await write(store, all.slice(archived, count), { after: all[archived - 1]?.id ?? '0-0' });
      archived = count;
    },
    /** Trims so many of all entries, if that many are archived. */
    trim: (count: number): void => {
      const id = all[Math.min(count, archived) - 1]?.id;
      if (id !== undefined) broker.trim(STREAM, id);
    },
  };
}

const idsOf = (entries: readonly StreamEntry[]) => entries.map(({ id }) => id);
const readAll = async (history: History, range: Partial<HistoryRange> = {}) =>
  Array.fromAsync(readHistory(history, { stream: STREAM, after: '0-0', ...range }));

/** Removes entries as XTRIM does, without leaving a mark. */
function trimSilently(broker: MemoryBroker, entries: readonly StreamEntry[]): void {
  for (const { id } of entries) broker.deleteEntry(STREAM, id);
}

describe('reading over the seam', () => {
  test('gives what is in the archive, then what is in the stream, whatever is in both', async () => {
    const { store } = await openFiles();
    const all = [...events(600)];
    const { history, archive, trim } = setUp(store, all);
    await archive(300);
    trim(100);

    expect(await readAll(history)).toEqual(all);
    expect(await readAll(history, { after: all[49]?.id ?? '' })).toEqual(all.slice(50));
    expect(await readAll(history, { after: all[49]?.id ?? '', to: all[520]?.id ?? '' })).toEqual(
      all.slice(50, 521),
    );
    expect(await readAll(history, { after: all[149]?.id ?? '', to: all[250]?.id ?? '' })).toEqual(
      all.slice(150, 251),
    );
  });

  test('gives each entry once while an archiver archives and trims, whenever it does', async () => {
    const step = fc.record({
      archive: fc.integer({ min: 0, max: 80 }),
      trim: fc.integer({ min: 0, max: 80 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.integer({ min: 201, max: 520 }),
        fc.boolean(),
        async (steps, count, isMarked) => {
          const { store } = await openFiles();
          const all = [...events(count)];
          const { broker, streams, archive } = setUp(store, all);
          const left = [...steps];
          let [archived, trimmed] = [0, 0];
          /** What the archiver does before the reader's next look at the stream. */
          const work = async () => {
            const next = left.shift();
            archived = Math.min(count, archived + (next?.archive ?? 0));
            await archive(archived);
            const to = Math.min(archived, trimmed + (next?.trim ?? 0));
            const id = all[to - 1]?.id;
            if (isMarked && id !== undefined) broker.trim(STREAM, id);
            else trimSilently(broker, all.slice(trimmed, to));
            trimmed = to;
          };
          const history: History = {
            store,
            streams: {
              range: async (...given) => {
                await work();
                return streams.range(...given);
              },
              stream: async (...given) => {
                await work();
                return streams.stream(...given);
              },
            },
          };

          expect(idsOf(await readAll(history))).toEqual(idsOf(all));
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each([50, 199, 200, 201, 330])(
    'goes back to the archive when a trim overtakes it behind entry %i',
    async (count) => {
      const { store } = await openFiles();
      const all = [...events(900)];
      const { history, archive, trim } = setUp(store, all);
      const given: StreamEntry[] = [];

      for await (const entry of readHistory(history, { stream: STREAM, after: '0-0' })) {
        given.push(entry);
        if (given.length !== count) continue;
        await archive(800);
        trim(750);
      }

      expect(idsOf(given)).toEqual(idsOf(all));
    },
  );

  test('ends where the stream holds the rest, if only what has left it is asked for', async () => {
    const { store } = await openFiles();
    const all = [...events(30)];
    const { history, archive, trim, streams } = setUp(store, all);
    const left = () => Array.fromAsync(readLeftEntries(history, { stream: STREAM, after: '0-0' }));
    expect(await left()).toEqual([]);

    await archive(20);
    trim(10);
    const given = await left();

    const { firstId } = await streams.stream(STREAM);
    expect(given).toEqual(all.slice(0, given.length));
    expect(compareEntryIds(firstId ?? '', given.at(-1)?.id ?? '')).toBeLessThanOrEqual(0);
  });

  test('gives both entries that a failover has given one ID', async () => {
    const { store } = await openFiles();
    const all = [...events(4)];
    const { history, archive, trim } = setUp(store, all);
    await archive(3);
    trim(3);
    const other = eventAt(all[2]?.id ?? '', { event_id: 'other' });
    await write(store, [other], { after: all[1]?.id ?? '' });

    const eventIds = (entries: readonly StreamEntry[]) =>
      new Set(entries.map(({ fields }) => fields.event_id));
    const given = await readAll(history);
    expect(given.length).toBe(5);
    expect(eventIds(given)).toEqual(eventIds([...all, other]));
  });

  test('says what is gone: trimmed and never archived, or expired', async () => {
    const { store } = await openFiles();
    const all = [...events(10, { stepMs: 3_600_000 })];
    const id = (n: number) => all[n]?.id ?? '';
    const { broker, history, archive, trim } = setUp(store, all);
    await archive(6);
    trim(6);
    await Array.fromAsync(deleteExpired(store, { stream: STREAM, before: new Date(HOUR + 2 * 3_600_000) }));

    const gap = { code: 'history_gap', stream: STREAM, after: '0-0', upTo: id(1) };
    await expect(readAll(history)).rejects.toMatchObject(gap);
    await expect(readAll(history, { mayBeGone: id(0) })).rejects.toMatchObject(gap);
    expect(await readAll(history, { mayBeGone: id(1) })).toEqual(all.slice(2));
    expect(await readAll(history, { mayBeGone: 'all' })).toEqual(all.slice(2));
    expect(await readAll(history, { after: id(1) })).toEqual(all.slice(2));

    // Not even this allows for a hole behind what was given out.
    broker.trim(STREAM, id(7));
    await expect(readAll(history, { mayBeGone: 'all' })).rejects.toMatchObject({ after: id(5), upTo: id(7) });
  });

  test('gives what has expired from the archive and is in the stream still', async () => {
    const { store } = await openFiles();
    const all = [...events(10, { stepMs: 3_600_000 })];
    const id = (n: number) => all[n]?.id ?? '';
    const { broker, history, archive } = setUp(store, all);
    await archive(8);
    await Array.fromAsync(deleteExpired(store, { stream: STREAM, before: new Date(HOUR + 4 * 3_600_000) }));
    const left = (mayBeGone?: string) =>
      Array.fromAsync(readLeftEntries(history, { stream: STREAM, after: '0-0', mayBeGone }));

    expect(await readAll(history)).toEqual(all);
    expect(await readAll(history, { mayBeGone: 'all' })).toEqual(all);
    expect(await readAll(history, { after: id(1), to: id(6) })).toEqual(all.slice(2, 7));
    // Nothing comes before the stream that is behind what it holds.
    expect(await left()).toEqual([]);
    expect(await left('all')).toEqual([]);

    // What is in neither of them is missed as ever.
    broker.trim(STREAM, id(1));
    await expect(readAll(history)).rejects.toMatchObject({ code: 'history_gap', after: '0-0', upTo: id(1) });
    expect(await readAll(history, { mayBeGone: 'all' })).toEqual(all.slice(2));
    expect(await readAll(history, { after: id(1) })).toEqual(all.slice(2));
  });

  test('reads the stream alone where there is no archive', async () => {
    const { store } = await openFiles();
    const all = [...events(10)];
    const { broker, streams } = setUp(store, all);
    const history: History = { store: undefined, streams };
    expect(await readAll(history)).toEqual(all);

    broker.trim(STREAM, all[3]?.id ?? '');

    await expect(readAll(history)).rejects.toMatchObject({ code: 'history_gap', upTo: all[3]?.id });
    expect(await readAll(history, { mayBeGone: 'all' })).toEqual(all.slice(4));
  });
});
