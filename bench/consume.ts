import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { createTemplate, queryNumber } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import { stream } from './fill/events.ts';
import { fillStream } from './fill/stream.ts';
import { assertCount, measureProgram, measureService } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';

const group = 'bench';
const template = 'bench_consume';
// A program takes some seconds to be compiled where it is hot: no run is shorter.
const counts = { oneByOne: 10_000, event: 60_000, batch: 100_000 };
const service = join(import.meta.dirname, '..', 'services', 'consumer-runner', 'src', 'main.ts');

/** How fast a pre-filled stream is handled, with an inbox row and one insert per event. */
export const consume: Question = {
  name: 'consume',
  title: 'Consume: handle a pre-filled stream, an inbox row and one insert per event, one process',
  prepare: ({ postgres }) => createTemplate(postgres, template, [createEffects]),
  variants: [
    { name: 'one by one', run: runOneByOne },
    { name: 'consumer-runner, defaults', run: (stage) => runRunner(stage, 'event') },
    { name: "consumer-runner, transaction: 'batch'", run: (stage) => runRunner(stage, 'batch') },
    { name: 'limit: a transaction per event, no bus', run: (stage) => runWithoutBus(stage, 'event') },
    { name: 'limit: 100 events a transaction, no bus', run: (stage) => runWithoutBus(stage, 'batch') },
    {
      name: 'limit: the same, handlers with kysely',
      run: (stage) => runWithoutBus(stage, 'batch', 'kysely'),
    },
  ],
  goals: [
    { variant: 'consumer-runner, defaults', over: 'one by one', atLeast: 2.5 },
    { variant: "consumer-runner, transaction: 'batch'", over: 'one by one', atLeast: 5 },
  ],
};

async function runOneByOne(stage: Stage): Promise<Run> {
  const events = stage.count(counts.oneByOne);
  const url = await stage.database(template);
  await fillStream(stage.redis.client(), events);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'reference', 'consume-one-by-one.ts'),
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url, EVENTS: String(events) },
    events,
  });
  await assertHandled(url, events);
  return run;
}

async function runRunner(stage: Stage, transaction: 'event' | 'batch'): Promise<Run> {
  const events = stage.count(counts[transaction]);
  const url = await stage.database(template);
  const redis = stage.redis.client();
  const lastId = await fillStream(redis, events);
  const run = await measureService(stage, {
    entry: service,
    env: {
      DATABASE_URL: url,
      REDIS_URL: stage.redis.url,
      CONSUMERS: import.meta.dirname,
      BENCH_TRANSACTION: transaction,
    },
    events,
    progress: () => progressOf(redis, lastId, events),
  });
  await assertHandled(url, events);
  return run;
}

/** All if everything was delivered and acknowledged, next to nothing if anything was delivered, or nothing. */
async function progressOf(redis: Redis, lastId: string, events: number): Promise<number> {
  const reply = (await redis.call('XINFO', 'GROUPS', stream)) as (string | number)[][];
  const fields = reply[0] ?? [];
  const value = (name: string) => fields[fields.indexOf(name) + 1];
  const delivered = value('last-delivered-id') ?? '0-0';
  if (fields.length === 0 || delivered === '0-0') return 0;
  return delivered === lastId && value('pending') === 0 ? events : 0.1;
}

async function runWithoutBus(
  stage: Stage,
  transaction: 'event' | 'batch',
  handler: 'plain' | 'kysely' = 'plain',
): Promise<Run> {
  const events = stage.count(counts[transaction]);
  const url = await stage.database(template);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'limits', `consume-${transaction}.ts`),
    env: { DATABASE_URL: url, EVENTS: String(events), HANDLER: handler },
    events,
  });
  await assertHandled(url, events);
  return run;
}

async function assertHandled(url: string, events: number): Promise<void> {
  const inbox = `select count(*) from inbox_events where consumer_group = '${group}' and outcome = 'done'`;
  assertCount('inbox rows', await queryNumber(url, inbox), events);
  assertCount('effects', await queryNumber(url, 'select count(*) from effects'), events);
  assertCount('events', await queryNumber(url, 'select count(distinct event_id) from effects'), events);
}
