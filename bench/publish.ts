import { join } from 'node:path';
import { createTemplate, queryNumber } from './fill/database.ts';
import { stream } from './fill/events.ts';
import { createStatusOutbox, fillOutbox, fillStatusOutbox } from './fill/outbox.ts';
import { assertCount, measureProgram } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';
import { peers } from './publish-peers.ts';
import { runPublisher } from './publish-publisher.ts';

const events = 100_000;
// At a row at a time, more would only take longer.
const referenceEvents = 6_000;
const templates = { log: 'bench_publish', status: 'bench_publish_row_by_row' };

/** How fast a pre-filled outbox drains into its stream. */
export const publish: Question = {
  name: 'publish',
  title: 'Publish: drain a pre-filled outbox into one stream',
  async prepare({ postgres, count }) {
    await createTemplate(postgres, templates.log, [fillOutbox(count(events))]);
    await createTemplate(postgres, templates.status, [
      createStatusOutbox,
      fillStatusOutbox(count(referenceEvents)),
    ]);
  },
  variants: [
    { name: 'row by row', run: runRowByRow },
    { name: 'outbox-publisher', run: (stage) => runPublisher(stage, templates.log, events) },
    ...peers,
    { name: 'limit: pipelined XADD, no database', run: runXadd },
  ],
  goals: [
    { variant: 'outbox-publisher', over: 'limit: pipelined XADD, no database', atLeast: 0.9 },
    { variant: 'outbox-publisher', over: 'row by row', atLeast: 30 },
    { variant: 'outbox-publisher', over: 'graphile-worker, tuned', atLeast: 3 },
    { variant: 'outbox-publisher', over: 'graphile-worker, 10 jobs', atLeast: 20 },
    { variant: 'outbox-publisher', over: 'pg-boss, tuned', atLeast: 4 },
    { variant: 'outbox-publisher', over: 'pg-transactional-outbox, replication', atLeast: 20 },
  ],
};

async function runRowByRow(stage: Stage): Promise<Run> {
  const count = stage.count(referenceEvents);
  const url = await stage.database(templates.status);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'reference', 'publish-row-by-row.ts'),
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url },
    events: count,
  });
  assertCount('entries in the stream', await stage.redis.client().xlen(stream), count);
  assertCount(
    'published rows',
    await queryNumber(url, "select count(*) from status_outbox where status = 'published'"),
    count,
  );
  return run;
}

async function runXadd(stage: Stage): Promise<Run> {
  const count = stage.count(events);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'limits', 'publish-xadd.ts'),
    env: { REDIS_URL: stage.redis.url, EVENTS: String(count) },
    events: count,
  });
  assertCount('entries in the stream', await stage.redis.client().xlen(stream), count);
  return run;
}
