import { join } from 'node:path';
import { createTemporaryFolder, type ServiceProcess } from '@event-bus/testkit';
import { consumerEnv } from './consumer-env.ts';
import { crowd, fillCrowd, registerCrowd } from './fill/crowd.ts';
import { createTemplate, queryNumber } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import { stream } from './fill/events.ts';
import { fillOutbox } from './fill/outbox.ts';
import { fillStream } from './fill/stream.ts';
import { formatValue } from './harness/figure.ts';
import { until, withProgram } from './harness/measure.ts';
import { peakMemory, peakMemoryFigure } from './harness/memory.ts';
import { countOr } from './harness/parameters.ts';
import type { Goal, Question, Run, Stage, Variant } from './harness/question.ts';

// Five million would take more than four minutes in three rounds.
const backlog = countOr('BENCH_BACKLOG', 1_000_000);
/** Of them a runner handles so many: it holds no more afterwards than before. */
const handledOfBacklog = 100_000;
const largeEvents = 2_000;
// With what else is in it, the payload stays below the 256 KiB that a producer may insert.
const largeFilling = 256 * 1024 - 256;
const looks = 50;
const templates = {
  empty: 'bench_memory',
  backlog: 'bench_memory_backlog',
  large: 'bench_memory_large',
  crowd: 'bench_memory_crowd',
};
const entryOf = (service: string) => join(import.meta.dirname, '..', 'services', service, 'src', 'main.ts');

const [KiB, MiB] = [1024, 1024 ** 2];
/**
 * Node.js with the modules of a service from their sources; V8's young generation, which grows to 128 MiB wherever much is
 * allocated, however little of it lives; and what V8 leaves in an old space of some 50 MiB before it collects it: twice as much.
 */
const processMiB = 160 + 128 + 96;
/** What is held is there as text, in the buffer that it came in or leaves by, and once more until it is collected. */
const copies = 3;
const bound = (held: number) => Math.ceil(processMiB + (copies * held) / MiB);

const entry = { small: 2 * KiB, large: 256 * KiB };
/** One page is read, one becomes a batch, two are under way; each has 1 MiB of payloads and the row that reaches it. */
const publisherHolds = (bytes: number) => 4 * (MiB + bytes);
/** 200 entries wait for a handler, 200 more are being read, and sixteen are in hand. */
const runnerHolds = (bytes: number) => (200 + 200 + 16) * bytes;
/** With batches of 100, two at a time: 400 wait. */
const batchRunnerHolds = (bytes: number) => (400 + 200 + 200) * bytes;
/** A few hundred bytes about each stream, group, and group on a stream, in each of its places, twice while it looks again. */
const crowdHolds = 2 * 2 * crowd.topics * crowd.groups * KiB;
/** Two sweeps at a time, each with an object of up to 64 MiB before it is compressed, and a page of entries. */
const archiverHolds = 2 * Math.min(64 * MiB, crowd.entries * entry.small) + crowdHolds;

interface Bounded extends Variant {
  readonly atMostMiB: number;
}

const variants: readonly [Bounded, ...Bounded[]] = [
  { name: 'outbox-publisher, nothing to do', atMostMiB: bound(0), run: runIdlePublisher },
  {
    name: 'outbox-publisher, a long backlog',
    atMostMiB: bound(publisherHolds(entry.small)),
    run: (stage) => runPublisher(stage, templates.backlog, backlog),
  },
  {
    name: 'outbox-publisher, events of 256 KiB',
    atMostMiB: bound(publisherHolds(entry.large)),
    run: (stage) => runPublisher(stage, templates.large, largeEvents),
  },
  {
    name: "consumer-runner, transaction: 'batch', a long backlog",
    atMostMiB: bound(batchRunnerHolds(entry.small)),
    run: (stage) => runRunner(stage, { transaction: 'batch', entries: backlog, handled: handledOfBacklog }),
  },
  {
    name: 'consumer-runner, events of 256 KiB',
    atMostMiB: bound(runnerHolds(entry.large)),
    run: (stage) =>
      runRunner(stage, {
        transaction: 'event',
        entries: largeEvents,
        handled: largeEvents,
        filling: largeFilling,
      }),
  },
  { name: 'dlq-mover, 40 streams x 25 groups', atMostMiB: bound(crowdHolds), run: runMover },
  { name: 'retention-archiver, 40 streams x 25 groups', atMostMiB: bound(archiverHolds), run: runArchiver },
  { name: 'bus-monitor, 40 streams x 25 groups', atMostMiB: bound(crowdHolds), run: runMonitor },
];

/** Whether the processes stay within what their stages may hold, however much there is to do. */
export const memory: Question = {
  name: 'memory',
  title: `Memory: the most that each process had resident; a long backlog is ${formatValue(backlog)} events`,
  async prepare({ postgres, count }) {
    await createTemplate(postgres, templates.empty, [createEffects]);
    await createTemplate(postgres, templates.backlog, [fillOutbox(count(backlog))]);
    await createTemplate(postgres, templates.large, [
      fillOutbox(count(largeEvents), { filling: largeFilling }),
    ]);
    await createTemplate(postgres, templates.crowd, registerCrowd);
  },
  variants,
  goals: variants.map(
    ({ name, atMostMiB }): Goal => ({ variant: name, figure: peakMemory, atMost: atMostMiB }),
  ),
};

interface Load {
  readonly service: string;
  readonly env: Readonly<Record<string, string>>;
  readonly events: number;
  /** Whether the process has seen all it is to see. */
  readonly isDone: (running: ServiceProcess) => Promise<boolean>;
}

async function peakOf({ service, env, events, isDone }: Load): Promise<Run> {
  return withProgram({ entry: entryOf(service), env }, async (running) => {
    await running.waitFor(/"msg":"started"/);
    await until(() => isDone(running), running, 50);
    return { events, figures: [peakMemoryFigure(running.pid)] };
  });
}

async function runIdlePublisher(stage: Stage): Promise<Run> {
  const url = await stage.database(templates.empty);
  const env = { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench' };
  const isDone = async (running: ServiceProcess) => /"msg":"leading/.test(running.output());
  return peakOf({ service: 'outbox-publisher', env, events: 0, isDone });
}

async function runPublisher(stage: Stage, template: string, full: number): Promise<Run> {
  const url = await stage.database(template);
  const redis = stage.redis.client();
  const events = stage.count(full);
  return peakOf({
    service: 'outbox-publisher',
    env: { DATABASE_URL: url, REDIS_URL: stage.redis.url, OUTBOX_SOURCE: 'bench' },
    events,
    isDone: async () => (await redis.xlen(stream)) === events,
  });
}

interface Backlog {
  readonly transaction: 'event' | 'batch';
  readonly entries: number;
  readonly handled: number;
  readonly filling?: number;
}

async function runRunner(stage: Stage, { transaction, entries, handled, filling }: Backlog): Promise<Run> {
  const url = await stage.database(templates.empty);
  await fillStream(stage.redis.client(), stage.count(entries), { filling });
  const events = stage.count(handled);
  return peakOf({
    service: 'consumer-runner',
    env: {
      DATABASE_URL: url,
      REDIS_URL: stage.redis.url,
      ...consumerEnv({ transaction }),
    },
    events,
    isDone: async () => (await queryNumber(url, 'select count(*) from effects')) >= events,
  });
}

async function openCrowd(stage: Stage): Promise<{ url: string; env: Readonly<Record<string, string>> }> {
  const url = await stage.database(templates.crowd);
  await fillCrowd(stage.redis.client());
  return { url, env: { DATABASE_URL: url, REDIS_URL: stage.redis.url } };
}

/** Every entry was handed out too often in every group: all of them become dead letters. */
async function runMover(stage: Stage): Promise<Run> {
  const { url, env } = await openCrowd(stage);
  const events = crowd.topics * crowd.groups * crowd.entries;
  const isDone = async () => (await queryNumber(url, 'select count(*) from dead_letters')) === events;
  return peakOf({ service: 'dlq-mover', env, events, isDone });
}

async function runArchiver(stage: Stage): Promise<Run> {
  const { url, env } = await openCrowd(stage);
  const folder = createTemporaryFolder('bench-archive');
  try {
    const archived = 'select count(*) from stream_retention where archived_to is not null';
    return await peakOf({
      service: 'retention-archiver',
      env: { ...env, ARCHIVE_URL: `file://${folder.path}`, ARCHIVE_EVERY: '1s', WATCH_EVERY: '100ms' },
      events: crowd.topics * crowd.entries,
      isDone: async () => (await queryNumber(url, archived)) === crowd.topics,
    });
  } finally {
    await folder.remove();
  }
}

/** It looks all the time, and is asked for its metrics as often as it looks. */
async function runMonitor(stage: Stage): Promise<Run> {
  const { env } = await openCrowd(stage);
  let seen = 0;
  return peakOf({
    service: 'bus-monitor',
    env: { ...env, MONITOR_EVERY: '100ms' },
    events: 0,
    isDone: async (running) => {
      const port = /"port":(\d+)/.exec(running.output())?.[1];
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      if (text.includes(`group-${crowd.groups}`)) seen += 1;
      return seen === stage.count(looks);
    },
  });
}
