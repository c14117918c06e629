import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { createTemplate, queryNumber } from './fill/database.ts';
import { stream } from './fill/events.ts';
import { fillOutbox } from './fill/outbox.ts';
import { assertCount, until, withProgram } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';
import { withClient } from './harness/with-client.ts';

const events = 100_000;
const template = 'bench_storage';
const service = join(import.meta.dirname, '..', 'services', 'outbox-publisher', 'src', 'main.ts');
const [usual, large] = ['Redis as it comes', 'stream-node-max-bytes 16384'];

/** What an event takes: in Redis, and in PostgreSQL by being published. */
export const storage: Question = {
  name: 'storage',
  title: 'Storage: what publishing an event takes in Redis, and in PostgreSQL beside its row',
  prepare: ({ postgres }) => createTemplate(postgres, template, []),
  variants: [
    { name: usual, run: (stage) => publishAll(stage) },
    { name: large, run: (stage) => publishAll(stage, 16_384) },
  ],
  goals: [
    { variant: usual, figure: 'of its data', atMost: 1.25 },
    { variant: large, figure: 'of its data', atMost: 1.12 },
    { variant: usual, figure: 'WAL', atMost: 20 },
    { variant: usual, figure: 'outbox growth', atMost: 0 },
  ],
};

const readSizes = `
  select
    (select sum(pg_relation_size(relid)) from pg_partition_tree('outbox_events') where isleaf)::float8 as outbox,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal`;

interface Sizes {
  readonly outbox: number;
  readonly wal: number;
}

/** All events come in one transaction: what is written after its commit, publishing has caused. */
async function publishAll(stage: Stage, nodeBytes?: number): Promise<Run> {
  const count = stage.count(events);
  const url = await stage.database(template);
  const redis = stage.redis.client();
  if (nodeBytes !== undefined) await redis.config('SET', 'stream-node-max-bytes', nodeBytes);
  const env = { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench' };
  const [before, after] = await withProgram({ entry: service, env }, async (running) => {
    await running.waitFor(/"msg":"leading/);
    return withClient(url, async (client) => {
      await client.query('begin');
      await client.query(fillOutbox(count));
      const inserted = await sizesOf(client);
      await client.query('commit');
      const position = 'select position from outbox_cursor';
      await until(async () => (await queryNumber(url, position)) === count, running, 20);
      return [inserted, await sizesOf(client)];
    });
  });
  assertCount('entries in the stream', await redis.xlen(stream), count);
  const data = await dataBytes(redis);
  const inRedis = Number(await redis.memory('USAGE', stream, 'SAMPLES', 0));
  const perEvent = (name: string, bytes: number) => ({ name, unit: 'bytes/event', value: bytes / count });
  return {
    events: count,
    figures: [
      perEvent('Redis', inRedis),
      { name: 'of its data', unit: '', value: inRedis / data },
      perEvent('data', data),
      perEvent('WAL', after.wal - before.wal),
      perEvent('outbox growth', after.outbox - before.outbox),
    ],
  };
}

async function sizesOf(client: pg.Client): Promise<Sizes> {
  const { rows } = await client.query<Sizes>(readSizes);
  return rows[0] ?? { outbox: 0, wal: 0 };
}

/** The values of all entries, without the names of their fields. */
async function dataBytes(redis: Redis): Promise<number> {
  let bytes = 0;
  for (let from = '-'; ; ) {
    const page = await redis.xrange(stream, from, '+', 'COUNT', 5_000);
    const values = page.flatMap(([, fields]) => fields.filter((_, index) => index % 2 === 1));
    bytes += values.reduce((sum, value) => sum + Buffer.byteLength(value), 0);
    const end = page.at(-1);
    if (end === undefined) return bytes;
    from = `(${end[0]}`;
  }
}
