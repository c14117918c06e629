import { createDatabase, createPool } from '@event-bus/database';
import { createLogger } from '@event-bus/telemetry';
import { eventually, startProxy } from '@event-bus/testkit';
import { createRedisTransport } from '@event-bus/transport/redis';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createPublisher, type Publisher } from './publisher.ts';
import { defaultSettings } from './settings.ts';
import { type Bench, createBench } from './testing.ts';

let bench: Bench;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let publisher: Publisher;
let release: () => Promise<unknown>;

/** The database of the bus is another one than the outbox's, as far as the network goes. */
beforeEach(async () => {
  bench = await createBench(inject('postgresUrl'));
  const url = new URL(bench.database.url);
  proxy = await startProxy(Number(url.port));
  url.port = String(proxy.port);
  const busDatabase = createDatabase(createPool({ url: url.href, applicationName: 'start' }));
  const transport = createRedisTransport({ url: bench.redis.url });
  publisher = createPublisher({
    pool: bench.database.pool,
    directUrl: bench.database.url,
    busDatabase,
    transport,
    settings: { ...defaultSettings, source: 'bench' },
    logger: createLogger({
      service: 'start',
      level: 'info',
      destination: { write: (line) => void bench.logs.push(JSON.parse(line) as Record<string, unknown>) },
    }),
    name: 'start',
    topics: [{ name: 'user', partitions: 1 }],
  });
  release = () => Promise.all([busDatabase.destroy(), transport.close()]);
});

afterEach(async () => {
  await release();
  await proxy.close();
  await bench.close();
});

test('a database of the bus that is away for a moment ends no publisher', async () => {
  proxy.refuse();
  const drain = new AbortController();
  const running = publisher.run({ drain: drain.signal, abort: new AbortController().signal });
  await Promise.race([running, eventually(() => bench.logs.length > 0)]);
  await proxy.accept();
  await bench.insert(['ann']);

  await eventually(async () => (await bench.entries('events:user')).length === 1);
  drain.abort();
  await running;
});

test('a topic that is registered with another number of partitions ends it', async () => {
  await bench.db.insertInto('topics').values({ name: 'user', partitions: 4 }).execute();
  const never = new AbortController().signal;

  await expect(publisher.run({ drain: never, abort: never })).rejects.toMatchObject({
    name: 'TopicPartitionsError',
  });
});
