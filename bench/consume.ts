import { join } from 'node:path';
import { assertHandled } from './consume-handled.ts';
import { type Peer, peers, runPeer } from './consume-peers.ts';
import { runRunner } from './consume-runner.ts';
import type { ConsumerSettings } from './consumer-env.ts';
import { createTemplate } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import { fillStream } from './fill/stream.ts';
import { measureProgram } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';

const template = 'bench_consume';
// A program takes some seconds to be compiled where it is hot: no run is shorter.
const counts = { oneByOne: 10_000, peer: 30_000, event: 60_000, batch: 100_000 };

const ours = {
  event: 'consumer-runner, defaults',
  batch: "consumer-runner, transaction: 'batch'",
  largeBatch: "consumer-runner, transaction: 'batch', batchSize: 500",
  ordered: "consumer-runner, ordering: 'aggregate'",
  orderedBatch: "consumer-runner, ordering: 'aggregate', transaction: 'batch'",
};
const limits = {
  event: 'limit: a transaction per event, no bus',
  batch: 'limit: 100 events a transaction, no bus',
  kyselyBatch: 'limit: 100 events a transaction, handlers with kysely, no bus',
  largeKyselyBatch: 'limit: 500 events a transaction, handlers with kysely, no bus',
};

/** How fast a pre-filled stream is handled, with an inbox row and one insert per event. */
export const consume: Question = {
  name: 'consume',
  title: 'Consume: handle a pre-filled stream, an inbox row and one insert per event, one process',
  prepare: ({ postgres }) => createTemplate(postgres, template, [createEffects]),
  // What is compared with its limit runs next to it: a shared machine changes its speed within minutes.
  variants: [
    { name: 'one by one', run: runOneByOne },
    { name: ours.event, run: (stage) => runOurs(stage, { transaction: 'event' }) },
    { name: limits.event, run: (stage) => runWithoutBus(stage, 'event') },
    { name: ours.ordered, run: (stage) => runOurs(stage, { transaction: 'event', ordering: 'aggregate' }) },
    ...peers.map((peer) => ({ ...peer, run: (stage: Stage) => runTheirs(stage, peer) })),
    { name: ours.batch, run: (stage) => runOurs(stage, { transaction: 'batch' }) },
    {
      name: limits.kyselyBatch,
      run: (stage) => runWithoutBus(stage, 'batch', { BATCH_SIZE: '100', HANDLER: 'kysely' }),
    },
    {
      name: ours.orderedBatch,
      run: (stage) => runOurs(stage, { transaction: 'batch', ordering: 'aggregate' }),
    },
    { name: ours.largeBatch, run: (stage) => runOurs(stage, { transaction: 'batch', batchSize: 500 }) },
    {
      name: limits.largeKyselyBatch,
      run: (stage) => runWithoutBus(stage, 'batch', { BATCH_SIZE: '500', HANDLER: 'kysely' }),
    },
    { name: limits.batch, run: (stage) => runWithoutBus(stage, 'batch', { BATCH_SIZE: '100' }) },
  ],
  goals: [
    { variant: ours.event, over: 'one by one', atLeast: 2.5 },
    { variant: ours.event, over: limits.event, atLeast: 0.8 },
    { variant: ours.event, over: 'NATS JetStream', atLeast: 1.15 },
    { variant: ours.event, over: 'RabbitMQ', atLeast: 1.15 },
    { variant: ours.event, over: 'BullMQ', atLeast: 1.3 },
    { variant: ours.event, over: 'moleculer channels', atLeast: 1.6 },
    { variant: ours.batch, over: 'one by one', atLeast: 5 },
    { variant: ours.batch, over: limits.kyselyBatch, atLeast: 0.8 },
    { variant: ours.largeBatch, over: limits.largeKyselyBatch, atLeast: 0.65 },
    ...peers.map(({ name }) => ({ variant: ours.batch, over: name, atLeast: 5 })),
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

async function runOurs(stage: Stage, settings: ConsumerSettings): Promise<Run> {
  const events = stage.count(counts[settings.transaction]);
  const url = await stage.database(template);
  const run = await runRunner(stage, url, settings, events);
  await assertHandled(url, events);
  return run;
}

async function runTheirs(stage: Stage, peer: Peer): Promise<Run> {
  const events = stage.count(counts.peer);
  const url = await stage.database(template);
  const run = await runPeer(stage, peer, events, url);
  await assertHandled(url, events);
  return run;
}

async function runWithoutBus(
  stage: Stage,
  transaction: 'event' | 'batch',
  settings: { readonly BATCH_SIZE?: string; readonly HANDLER?: 'kysely' } = {},
): Promise<Run> {
  const events = stage.count(counts[transaction]);
  const url = await stage.database(template);
  const run = await measureProgram(stage, {
    entry: join(import.meta.dirname, 'limits', `consume-${transaction}.ts`),
    env: { DATABASE_URL: url, EVENTS: String(events), HANDLER: 'plain', ...settings },
    events,
  });
  await assertHandled(url, events);
  return run;
}
