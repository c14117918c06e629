import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, type SeenEntry, sound } from './testing.ts';

const stream = 'events:user';
const writers = '{events:user}:writers';
const small = { pageSize: 5 } as const;

let bench: Bench;

beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
});

afterEach(() => bench.close());

/** How a Redis loses what it had, in two steps: what is kept aside at some time, and the loss itself later. */
interface Loss {
  readonly prepare?: () => Promise<void>;
  readonly lose: () => Promise<void>;
}

const redis = async (...command: readonly [string, ...string[]]): Promise<unknown> => {
  const client = bench.redis.client();
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
};

// In one step: what a server loses is the end of its history, never a hole in it.
const loseNewest = `for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  redis.call('XDEL', KEYS[1], entry[1])
end`;

const losses: Readonly<Record<string, Loss>> = {
  'is flushed': { lose: async () => void (await redis('FLUSHALL')) },
  'loses the stream and keeps its mark': { lose: async () => void (await redis('DEL', stream)) },
  'loses the mark and keeps the stream': { lose: async () => void (await redis('DEL', writers)) },
  'restarts without its file': { lose: () => bench.redis.restart({ keepData: false }) },
  'restores an older file': {
    prepare: async () => void (await redis('SAVE')),
    lose: async () => {
      await bench.redis.kill();
      await bench.redis.restart();
    },
  },
  'loses the newest entries in the middle of a batch and keeps the mark': {
    lose: async () => void (await redis('EVAL', loseNewest, '1', stream, '13')),
  },
  'goes back to an older end of the stream, with the mark it had then': { lose: () => goBack(17) },
};

/** The stream as it was `entries` ago. What is written next may get IDs that others had. */
async function goBack(entries: number): Promise<void> {
  const kept = (await bench.entries(stream)).slice(0, -entries);
  const last = kept.at(-1);
  const client = bench.redis.client();
  const raw = (await client.call('XRANGE', stream, '-', last?.id ?? '0-1')) as [string, string[]][];
  const rewrite = client.multi().del(stream);
  for (const [id, fields] of raw) rewrite.call('XADD', stream, id, ...fields);
  await rewrite.hset(writers, 'bench', `${last?.id} ${last?.eventId}`).exec();
  client.disconnect();
}

/** Inserts events of a few aggregates, one transaction after the other. */
async function produce(rounds: number, name = 'agg'): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await bench.insert([0, 1, 2].map((n) => `${name}-${(round * 2 + n) % 7}`));
  }
}

const isWhole = () =>
  eventually(async () => {
    expect(await audit(bench)).toMatchObject(sound);
    return true;
  });

/** The same of a stream that others write to as well. Where entries stand again is recorded after they are written. */
const recordsWhatItFinds = () =>
  eventually(async () => {
    const { unknown: _, ...own } = sound;
    expect(await audit(bench)).toMatchObject(own);
    return true;
  });

const ids = (entries: readonly SeenEntry[]) => entries.map((entry) => entry.eventId);

describe.each(Object.entries(losses))('a Redis that %s', (_, { prepare, lose }) => {
  test('gets back exactly what it lost, also if nobody writes', async () => {
    bench.start(small);
    await produce(10);
    await isWhole();
    await prepare?.();
    await produce(10);
    await isWhole();
    const before = await bench.entries(stream);
    await lose();
    const survivors = new Set(ids(await bench.entries(stream)));

    await isWhole();
    const after = await bench.entries(stream);
    expect(ids(after).sort()).toEqual(ids(before).sort());
    expect(ids(after).slice(0, survivors.size)).toEqual(ids(before).filter((id) => survivors.has(id)));
    await bench.insert(['agg-0', 'agg-6']);
    await isWhole();
    expect((await audit(bench)).repeated).toEqual([]);
  });

  test('gets back what it lost while others write', async () => {
    bench.start(small);
    await produce(10);
    await isWhole();
    await prepare?.();
    await produce(10);

    await Promise.all([produce(60), lose()]);

    await isWhole();
  });

  test('gets back what it lost while nobody was looking', async () => {
    const first = bench.start(small);
    await produce(8);
    await isWhole();
    await prepare?.();
    await produce(8);
    await isWhole();
    await first.stop();
    await produce(3);
    await lose();
    bench.start(small);

    await isWhole();
    expect((await audit(bench)).repeated).toEqual([]);
  });
});

test('a second outbox on the same stream, which lost nothing, writes nothing again', async () => {
  const other = await createBench(inject('postgresUrl'));
  try {
    bench.start(small);
    other.start({ ...small, source: 'other' }, bench.redis.url);
    await Promise.all([produce(12), other.insert(Array.from({ length: 40 }, (_, n) => `other-${n % 5}`))]);
    await eventually(async () => (await bench.entries(stream)).length === 76);
    const own = (await bench.entries(stream)).filter((entry) => entry.aggregateId.startsWith('agg-'));
    await eventually(async () => (await audit(bench)).unpublished.length === 0);
    await redis('XDEL', stream, ...own.slice(-8).map((entry) => entry.id));

    await eventually(async () => (await bench.entries(stream)).length === 76);
    await other.insert(['other-0']);
    await eventually(async () => (await bench.entries(stream)).length === 77);
    const after = await bench.entries(stream);
    expect(new Set(ids(after)).size).toBe(77);
    await recordsWhatItFinds();
    expect(other.logs.filter((line) => String(line.msg).includes('went back'))).toEqual([]);
  } finally {
    await other.close();
  }
});

test('entry IDs that were handed out again to other events are not taken for what was lost', async () => {
  const first = bench.start(small);
  await produce(10);
  await isWhole();
  await first.stop();
  const all = await bench.entries(stream);
  await goBack(15);
  for (const lost of all.slice(-15)) {
    await redis('XADD', stream, lost.id, 'event_id', `foreign-${lost.id}`, 'aggregate_id', 'foreign');
  }
  bench.start(small);

  await recordsWhatItFinds();
  const found = await audit(bench);
  expect(found.repeated).toEqual([]);
  expect(found.unknown).toHaveLength(15);
});
