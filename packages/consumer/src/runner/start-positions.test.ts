import { createLogger } from '@event-bus/telemetry';
import { ENTRY_FIELDS } from '@event-bus/transport';
import { createMemoryBroker } from '@event-bus/transport/memory';
import { expect, test } from 'vitest';
import { isBeforeStart, readStartPositions } from './start-positions.ts';

const bounds = { entries: 200, page: 20, ranges: 20 };
const quiet = createLogger({ service: 'test', level: 'silent' });

function setUp() {
  const transport = createMemoryBroker().transport();
  const writer = transport.writer();
  const last = new Map<string, string>();

  /** Writes events of a source in this order of positions. */
  async function write(stream: string, positions: readonly number[], source = 'billing'): Promise<void> {
    if (positions.length === 0) return;
    const mark = `${stream} ${source}`;
    const expect = { eventId: last.get(mark) ?? null, present: last.has(mark) };
    const entries = positions.map((position) => {
      const fields: Record<string, string> = {
        event_id: `${source}-${position}`,
        source,
        position: String(position),
      };
      return ENTRY_FIELDS.map((name) => fields[name] ?? '');
    });
    await writer.append(stream, { source, expect, entries });
    last.set(mark, `${source}-${positions.at(-1)}`);
  }
  const read = (...streams: readonly string[]) =>
    readStartPositions(streams, transport.observer(), quiet, bounds);
  return { write, read };
}

const from = (first: number, last: number, step = 1) =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, n) => first + n * step);

test('what stood in the streams is skipped; what did not, and what is newer, is not', async () => {
  const { write, read } = setUp();
  await write('a', [2, 3, 7]);
  await write('b', [5, 9]);
  await write('b', [100], 'shop');
  const starts = await read('a', 'b');
  const skipped = (source: string) =>
    from(1, 12).filter((position) => isBeforeStart(starts, { source, position: String(position) }));

  expect(skipped('billing')).toEqual([2, 3, 5, 7, 9]);
  expect(skipped('shop')).toEqual([]);
  expect(skipped('unknown')).toEqual([]);
  expect(isBeforeStart(starts, { source: 'shop', position: '100' })).toBe(true);
  expect(isBeforeStart(starts, { source: 'billing', position: 'seven' })).toBe(false);
});

test('of a long stream, late events are told as far back as the newer half of what is looked at; older ones are skipped', async () => {
  const { write, read } = setUp();
  const late = [5, 195, 210, 295];
  await write(
    'a',
    from(1, 300).filter((position) => !late.includes(position)),
  );

  expect((await read('a')).get('billing')).toEqual({
    position: 300n,
    missing: [
      { first: 210n, last: 210n },
      { first: 295n, last: 295n },
    ],
  });
});

test('what came late itself, just now, says nothing of what was not looked at', async () => {
  const { write, read } = setUp();
  await write('a', from(51, 300));
  await write('a', from(1, 50));
  const start = (await read('a')).get('billing');

  expect(start).toEqual({ position: 300n, missing: [] });
});

test('among the events of other topics the newest gaps are remembered, and no more than a bounded number', async () => {
  const { write, read } = setUp();
  await write('a', from(10, 1_000, 10));
  const missing = (await read('a')).get('billing')?.missing ?? [];

  expect(missing).toHaveLength(20);
  expect(missing.at(-1)).toEqual({ first: 991n, last: 999n });
});

test('of a source that has long been silent, all up to its mark is skipped', async () => {
  const { write, read } = setUp();
  await write('a', [3, 8]);
  await write('a', from(1, 250), 'shop');

  expect((await read('a')).get('billing')).toEqual({ position: 8n, missing: [] });
});
