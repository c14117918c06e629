import { join } from 'node:path';
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

// What the producer gave, and the ID. Where it came from, its position and its time are the bus's.
const dataBytes = `
  select sum(36 + octet_length(aggregate_type) + octet_length(aggregate_id) + octet_length(event_type) + octet_length(tenant_id)
    + octet_length(actor_id) + octet_length(payload::text)) from outbox_events`;
const outboxBytes = `
  select sum(pg_relation_size(relid)) from pg_partition_tree('outbox_events') where isleaf`;
const published = `select position from outbox_cursor`;

/** The rows are inserted here, not copied, so that their pages are as a producer has just left them. */
async function publishAll(stage: Stage, nodeBytes?: number): Promise<Run> {
  const count = stage.count(events);
  const url = await stage.database(template);
  const redis = stage.redis.client();
  if (nodeBytes !== undefined) await redis.config('SET', 'stream-node-max-bytes', nodeBytes);
  await withClient(url, (client) => client.query(fillOutbox(count)));
  const [data, outboxBefore, walBefore] = [
    await queryNumber(url, dataBytes),
    await queryNumber(url, outboxBytes),
    await queryWal(url),
  ];
  const env = { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench' };
  const walAfter = await withProgram({ entry: service, env }, async (running) => {
    await until(async () => (await queryNumber(url, published)) === count, running, 20);
    return queryWal(url);
  });
  assertCount('entries in the stream', await redis.xlen(stream), count);
  const inRedis = Number(await redis.memory('USAGE', stream, 'SAMPLES', 0));
  const perEvent = (name: string, bytes: number) => ({ name, unit: 'bytes/event', value: bytes / count });
  return {
    events: count,
    figures: [
      perEvent('Redis', inRedis),
      { name: 'of its data', unit: '', value: inRedis / data },
      perEvent('data', data),
      perEvent('WAL', walAfter - walBefore),
      perEvent('outbox growth', (await queryNumber(url, outboxBytes)) - outboxBefore),
    ],
  };
}

function queryWal(url: string): Promise<number> {
  return queryNumber(url, `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')`);
}
