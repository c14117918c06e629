import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, startProxy } from '@event-bus/testkit';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { audit, type Bench, createBench, sound } from './testing.ts';

/** Many batches of a few events, two of them under way at any time. */
const small = { pageSize: 5, maxInFlight: 2 } as const;

let bench: Bench;

afterEach(() => bench.close());

const createImpatientBench = (config: Record<string, string> = {}) =>
  createBench(inject('postgresUrl'), config, 1_000);

const redis = async (...command: readonly [string, ...string[]]): Promise<unknown> => {
  // Not even the question whether the server is ready is answered by one that is not.
  const client = bench.redis.client({ enableReadyCheck: false });
  try {
    const [name, ...args] = command;
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
};

const configure = async (name: string, value: string) => void (await redis('CONFIG', 'SET', name, value));

/** In one transaction, so that all of them are there to be sent at once. */
const produce = (count: number) => bench.insert(Array.from({ length: count }, (_, n) => `agg-${n % 7}`));

const said = (text: string) => bench.logs.filter((line) => String(line.msg).includes(text));

/** The kinds of errors that were told, outage by outage: a server that is slow for a moment is one, too. */
function toldByOutage(): string[][] {
  const told: string[][] = [[]];
  for (const { msg, err } of bench.logs) {
    if (String(msg).includes('batches go through again')) told.push([]);
    if (String(msg).includes('a batch is not through')) told.at(-1)?.push((err as { type: string }).type);
  }
  return told;
}

const isWholeAndSingle = () =>
  eventually(async () => {
    expect(await audit(bench)).toEqual({ ...sound, repeated: [] });
    return true;
  });

async function backgroundSave(status: 'ok' | 'err'): Promise<void> {
  await eventually(async () => {
    await redis('BGSAVE').catch(() => 'one is under way');
    return String(await redis('INFO', 'persistence')).includes(`rdb_last_bgsave_status:${status}`);
  });
}

/** A time in which Redis takes nothing. */
interface Outage {
  readonly config?: Record<string, string>;
  readonly begin: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
}

const blockedFile = () => join(bench.redis.dir, 'dump.rdb');
let endless: Promise<unknown> = Promise.resolve();

const outages: Readonly<Record<string, Outage>> = {
  'has no memory left (OOM)': {
    begin: () => configure('maxmemory', '1'),
    end: () => configure('maxmemory', '0'),
  },
  'has become a replica (READONLY)': {
    begin: () => redis('REPLICAOF', '127.0.0.1', '1'),
    end: () => redis('REPLICAOF', 'NO', 'ONE'),
  },
  'misses its replicas (NOREPLICAS)': {
    begin: () => configure('min-replicas-to-write', '1'),
    end: () => configure('min-replicas-to-write', '0'),
  },
  'cannot save (MISCONF)': {
    config: { save: '3600 1' },
    begin: async () => {
      await mkdir(blockedFile());
      await backgroundSave('err');
    },
    end: async () => {
      await rmdir(blockedFile());
      await backgroundSave('ok');
    },
  },
  'is busy with a script (BUSY)': {
    config: { 'lua-time-limit': '50' },
    begin: async () => {
      endless = redis('EVAL', 'while true do end', '0').catch(() => 'killed');
      await eventually(async () =>
        redis('PING').then(
          () => false,
          (error: Error) => error.message.startsWith('BUSY'),
        ),
      );
    },
    end: async () => {
      await redis('SCRIPT', 'KILL');
      await endless;
    },
  },
  'is frozen': { begin: async () => bench.redis.freeze(), end: async () => bench.redis.thaw() },
  'is away': {
    config: { appendonly: 'yes', appendfsync: 'always' },
    begin: () => bench.redis.kill(),
    end: () => bench.redis.restart(),
  },
};

describe.each(Object.entries(outages))('while Redis %s', (_, { config, begin, end }) => {
  test('batches wait, each kind of error is logged once, and then all of them go through once', async () => {
    bench = await createImpatientBench(config);
    bench.start(small);
    await produce(20);
    await isWholeAndSingle();
    await begin();
    const before = toldByOutage().length;
    await produce(60);
    await eventually(() => (toldByOutage()[before - 1] ?? []).length > 0);
    await bench.insert(['agg-0'], 'project');
    expect(toldByOutage()).toHaveLength(before);
    await end();

    await isWholeAndSingle();
    await eventually(async () => (await bench.entries('events:project')).length === 1);
    await eventually(() => toldByOutage().length > before);
    for (const errors of toldByOutage()) expect(errors).toEqual([...new Set(errors)]);
  });
});

const slowLoading = {
  // Microseconds. It is loading until it is told to hurry.
  'key-load-delay': '250000',
  'loading-process-events-interval-bytes': '1024',
  rdbcompression: 'no',
};

test('while Redis is loading its file, batches wait, and then all of them go through once', async () => {
  bench = await createImpatientBench(slowLoading);
  bench.start(small);
  await redis('MSET', ...Array.from({ length: 40 }, (_, n) => [`key-${n}`, 'x'.repeat(1_000)]).flat());
  await produce(20);
  await isWholeAndSingle();
  const loaded = bench.redis.restart();
  await produce(60);
  await eventually(async () => String(await redis('INFO', 'persistence')).includes('loading:1'), {
    intervalMs: 5,
  });
  await configure('key-load-delay', '0');
  await loaded;

  await isWholeAndSingle();
});

describe('a connection that breaks', () => {
  test.each([1, 2, 3, 6])(
    'after append number %i was done, before its reply: nothing is written twice',
    async (k) => {
      bench = await createImpatientBench();
      const proxy = await startProxy(bench.redis.port);
      await produce(60);
      let seen = 0;
      const cut = proxy.swallowReply((request) => {
        if (request.includes('test.happened')) seen += 1;
        return seen === k;
      });
      bench.start(small, `redis://127.0.0.1:${proxy.port}`);
      await cut;

      await isWholeAndSingle();
      await proxy.close();
    },
  );

  test('again and again under load: nothing is lost, nothing is written twice', async () => {
    bench = await createImpatientBench();
    const proxy = await startProxy(bench.redis.port);
    bench.start({ ...small, sweepMs: 60_000 }, `redis://127.0.0.1:${proxy.port}`);
    for (let round = 0; round < 25; round += 1) {
      await produce(20);
      proxy.cut();
    }

    await isWholeAndSingle();
    await proxy.close();
  });

  test('and stays half-open is given up, and what it held is written once', async () => {
    bench = await createImpatientBench();
    const proxy = await startProxy(bench.redis.port);
    bench.start(small, `redis://127.0.0.1:${proxy.port}`);
    await produce(10);
    await isWholeAndSingle();
    proxy.pause();
    await produce(60);
    await eventually(() => said('a batch is not through').length > 0);
    proxy.resume();

    await isWholeAndSingle();
    await proxy.close();
  });
});

test('a stream that became something else holds up no other; mended, it gets back what it lost and what was parked', async () => {
  bench = await createImpatientBench();
  bench.start(small);
  await produce(20);
  await isWholeAndSingle();
  await redis('SET', 'events:user', 'no stream');
  await eventually(() => said('a batch is not through').length > 0);
  await bench.insert(['p-1', 'p-2'], 'project');
  await produce(10);
  await bench.insert(['p-3'], 'project');
  await eventually(async () => (await bench.entries('events:project')).length === 3);
  const parked = () => bench.db.selectFrom('outbox_parked').select('reason').orderBy('position').execute();
  await eventually(async () => (await parked()).length === 10);
  expect((await parked())[0]?.reason).toMatch(/WRONGTYPE/);
  expect(said('a batch is not through')).toHaveLength(1);

  await redis('DEL', 'events:user');
  await bench.db.updateTable('outbox_parked').set({ retry_requested_at: new Date() }).execute();
  await isWholeAndSingle();
});
