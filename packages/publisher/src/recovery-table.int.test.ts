import { readPage, recordProgress, takeLead } from '@event-bus/outbox/log';
import { createLogger } from '@event-bus/telemetry';
import type { EventTransport, WriterMark } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { type Batch, entryOf, formBatch } from './batch.ts';
import type { Leader } from './leader.ts';
import { createPublisherObserver } from './observer.ts';
import { Parking } from './parking.ts';
import { recover } from './recovery.ts';
import { defaultSettings } from './settings.ts';
import { StreamBook } from './stream-book.ts';
import { type Bench, createBench } from './testing.ts';

const stream = 'events:user';
const writers = '{events:user}:writers';
const settings = { ...defaultSettings, source: 'bench' };

/**
 * A log of seven events. A predecessor may have recorded 1 to 3 as a batch; the leader has two batches under way, of
 * 4 and 5 and of 6 and 7, and does not know what became of them.
 */
interface Situation {
  readonly bench: Bench;
  readonly redis: ReturnType<Bench['redis']['client']>;
  readonly transport: EventTransport;
  readonly eventIds: readonly string[];
}

let at: Situation;

beforeEach(async () => {
  const bench = await createBench(inject('postgresUrl'));
  const eventIds = await bench.insert(['a', 'b', 'c', 'a', 'b', 'a', 'c']);
  const transport = createRedisTransport({ url: bench.redis.url, commandTimeoutMs: 30_000 });
  at = { bench, redis: bench.redis.client(), transport, eventIds };
});

afterEach(async () => {
  await at.transport.close();
  await at.bench.close();
});

const event = (position: number) => at.eventIds[position - 1] ?? '';

/** Writes events behind whatever the source wrote before, as a publisher that records nothing. */
async function write(...positions: readonly number[]): Promise<WriterMark> {
  const writer = at.transport.writer();
  const page = await readPage(at.bench.database.pool, 0, defaultSettings);
  const rows = page.rows.filter((row) => positions.includes(row.position));
  const { mark, markPresent } = await writer.inspect(stream, 'bench');
  const result = await writer.append(stream, {
    source: 'bench',
    expect: { eventId: mark?.eventId ?? null, present: markPresent },
    entries: rows.map((row) => entryOf(row, 'bench')),
  });
  if (result.outcome === 'refused') throw new Error('the arrangement was refused');
  return { entryId: result.lastId, eventId: rows.at(-1)?.eventId ?? '' };
}

async function record(): Promise<void> {
  const last = await write(1, 2, 3);
  const { epoch } = await takeLead(at.bench.database.pool, 'bench', 'predecessor');
  await recordProgress(at.bench.database.pool, epoch, {
    position: 3,
    written: [
      {
        stream,
        number: 1,
        positions: [{ first: 1, last: 3 }],
        events: 3,
        lastId: last.entryId,
        lastEventId: last.eventId,
      },
    ],
    noted: [],
    closed: [],
    parked: [],
    unparked: [],
  });
}

/** Deletes the newest entries, which leaves the mark as it is. */
async function lose(count: number): Promise<void> {
  const newest = (await at.bench.entries(stream)).slice(-count);
  await at.redis.xdel(stream, ...newest.map((entry) => entry.id));
}

/** Sets the mark to the entry of a position, if that still stands. */
async function mark(position: number): Promise<void> {
  const entry = (await at.bench.entries(stream)).findLast((found) => found.position === position);
  await at.redis.hset(writers, 'bench', `${entry?.id ?? '1-1'} ${event(position)}`);
}

const unknownId = '00000000-0000-4000-8000-000000000000';

async function writeUnknown(): Promise<void> {
  const id = await at.redis.xadd(stream, '*', 'event_id', unknownId, 'aggregate_id', 'x', 'position', '99');
  await at.redis.hset(writers, 'bench', `${id} ${unknownId}`);
}

async function lead(): Promise<{ leader: Leader; batches: Batch[] }> {
  const { bench, transport } = at;
  const { pool } = bench.database;
  const logger = createLogger({
    service: 'table',
    level: 'info',
    destination: { write: (line) => void bench.logs.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const leader: Leader = {
    epoch: (await takeLead(pool, 'bench', 'leader')).epoch,
    pool,
    writer: transport.writer(),
    settings,
    logger,
    observer: createPublisherObserver(logger, 'bench'),
    streams: await StreamBook.load(pool, bench.db),
    parking: new Parking([]),
    lost: new AbortController().signal,
  };
  const { rows } = await readPage(pool, 3, settings);
  await leader.streams.meet(rows);
  const batches = [rows.slice(0, 2), rows.slice(2)].map((part) =>
    formBatch(
      { rows: part, position: part.at(-1)?.position ?? 0, noted: [], closed: [], isFull: false },
      { ...settings, streamOf: leader.streams.streamOf, parking: leader.parking },
    ),
  );
  return { leader, batches };
}

type Row = [
  mark: string,
  recordedBatch: 'stands' | 'no longer stands' | 'none',
  arrange: () => Promise<unknown>,
  stream: readonly number[],
  logs: string | undefined,
];

const reconciled = 'a stream went back in time';
const alarm = 'PostgreSQL went back in time';

const table: Row[] = [
  ['none', 'none', async () => undefined, [4, 5, 6, 7], undefined],
  ['the last event of the recorded batch', 'stands', record, [1, 2, 3, 4, 5, 6, 7], undefined],
  [
    'the last event of the first part',
    'stands',
    async () => [await record(), await write(4, 5)],
    [1, 2, 3, 4, 5, 6, 7],
    undefined,
  ],
  [
    'the last event of the second part',
    'stands',
    async () => [await record(), await write(4, 5), await write(6, 7)],
    [1, 2, 3, 4, 5, 6, 7],
    undefined,
  ],
  ['the last event of the first part', 'none', () => write(4, 5), [4, 5, 6, 7], undefined],
  ['the last event of the second part', 'none', () => write(4, 5, 6, 7), [4, 5, 6, 7], undefined],
  [
    'the last event of the first part, whose entry is gone',
    'stands',
    async () => [await record(), await write(4, 5), await lose(2)],
    [1, 2, 3, 4, 5, 6, 7],
    undefined,
  ],
  [
    'the last event of the second part, whose entry is gone while the first part stands',
    'stands',
    async () => [await record(), await write(4, 5), await write(6, 7), await lose(2)],
    [1, 2, 3, 4, 5, 4, 5, 6, 7],
    undefined,
  ],
  [
    'an event that a predecessor did not record',
    'stands',
    async () => [await record(), await write(4)],
    [1, 2, 3, 4, 4, 5, 6, 7],
    undefined,
  ],
  [
    'an event that a predecessor did not record',
    'none',
    () => write(4, 5, 6),
    [4, 5, 6, 4, 5, 6, 7],
    undefined,
  ],
  [
    'an event that the log does not know',
    'stands',
    async () => [await record(), await writeUnknown()],
    [1, 2, 3, 99, 4, 5, 6, 7],
    alarm,
  ],
  ['an event that the log does not know', 'none', writeUnknown, [99, 4, 5, 6, 7], alarm],
  [
    'none: the hash of marks is gone',
    'stands',
    async () => [await record(), await at.redis.del(writers)],
    [1, 2, 3, 4, 5, 6, 7],
    undefined,
  ],
  [
    'none: all is gone',
    'no longer stands',
    async () => [await record(), await at.redis.flushall()],
    [1, 2, 3, 4, 5, 6, 7],
    reconciled,
  ],
  [
    'the last event of the recorded batch, whose entry is gone',
    'no longer stands',
    async () => [await record(), await lose(1)],
    [1, 2, 3, 4, 5, 6, 7],
    reconciled,
  ],
  [
    'an earlier event',
    'no longer stands',
    async () => [await record(), await lose(1), await mark(2)],
    [1, 2, 3, 4, 5, 6, 7],
    reconciled,
  ],
  [
    'the last event of the first part, whose entry is gone with others',
    'no longer stands',
    async () => [await record(), await write(4, 5), await lose(3)],
    [1, 2, 3, 4, 5, 6, 7],
    reconciled,
  ],
  [
    'an event that the log does not know',
    'no longer stands',
    async () => [await record(), await lose(2), await writeUnknown()],
    [1, 99, 2, 3, 4, 5, 6, 7],
    reconciled,
  ],
  [
    'the last event of the recorded batch, under whose ID another event stands',
    'no longer stands',
    async () => {
      await record();
      const entries = await at.bench.entries(stream);
      await at.redis.del(stream);
      for (const { id, position } of entries) {
        const eventId = position === 3 ? unknownId : event(position);
        await at.redis.xadd(stream, id, 'event_id', eventId, 'position', position === 3 ? '99' : position);
      }
    },
    [1, 2, 99, 3, 4, 5, 6, 7],
    reconciled,
  ],
];

describe('what is written when batches are in doubt', () => {
  test.each(table)('mark: %s; recorded batch: %s', async (_, __, arrange, positions, logs) => {
    await arrange();
    const { leader, batches } = await lead();

    await recover(leader, batches);

    const entries = await at.bench.entries(stream);
    expect(entries.map((entry) => entry.position)).toEqual(positions);
    expect(batches.map((batch) => batch.parts[0]?.lastId)).toEqual(
      [5, 7].map((position) => entries.findLast((entry) => entry.position === position)?.id),
    );
    expect(leader.streams.state(stream).expect).toEqual({ eventId: event(7), present: true });
    expect(await leader.writer.inspect(stream, 'bench')).toMatchObject({
      mark: { eventId: event(7) },
      markPresent: true,
    });
    const said = at.bench.logs.map((line) => String(line.msg)).filter((line) => line.includes('went back'));
    expect(said).toEqual(logs === undefined ? [] : [expect.stringContaining(logs)]);
  });
});
