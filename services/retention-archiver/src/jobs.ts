import type { BusDatabase } from '@event-bus/database';
import { retainedStreams } from '@event-bus/operations';
import { type Component, pollLoop } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import { Queue, Worker } from 'bullmq';
import type { Kysely } from 'kysely';
import type { SweepByName } from './sweeper.ts';

/** What the jobs are, and where. */
export interface JobsOptions {
  readonly redisUrl: string;
  readonly bus: Kysely<BusDatabase>;
  readonly logger: Logger;
  readonly sweep: SweepByName;
  /** Tells by itself what of it failed. */
  readonly expire: (signal: AbortSignal) => Promise<void>;
  readonly sweepEveryMs: number;
  readonly expireEveryMs: number;
  readonly concurrency: number;
}

const QUEUE = 'sweeps';
/** The hash tag keeps all keys of the queue in one slot of a cluster. */
const PREFIX = '{event-bus:retention}';
const EXPIRE = 'expire';
const SWEEP = 'sweep';
const PLAN_EVERY_MS = 2_000;
/** A scheduler that is overdue by so much has lost its job. */
const OVERDUE_MS = 5_000;

/**
 * The jobs of all archivers: one scheduler per stream that a topic has or had, one for expiry. Any number of processes plan and work. What
 * the queue knows may be lost or go back in time with Redis at any moment: it says only when to look, and what has gone is
 * planned again.
 */
export function createJobs(options: JobsOptions): Component {
  const { redisUrl, bus, logger, concurrency, sweepEveryMs, expireEveryMs } = options;
  const connection = { url: redisUrl, maxRetriesPerRequest: null };
  return {
    name: 'jobs',
    async run({ drain, abort }) {
      const queue = new Queue(QUEUE, {
        prefix: PREFIX,
        // Fails instead of waiting for a server that is away.
        connection: { url: redisUrl, maxRetriesPerRequest: 1, enableOfflineQueue: true },
        defaultJobOptions: { removeOnComplete: true, removeOnFail: 20 },
      });
      // Behind the streams that wait already, and once however many ask for it: also if this is asked by such a job itself.
      const goOn = async (stream: string) => {
        try {
          await queue.add(SWEEP, { stream }, { deduplication: { id: stream, keepLastIfActive: true } });
        } catch (error) {
          logger.warn(
            { err: error, stream },
            'a sweep could not be planned to go on at once; the next one does',
          );
        }
      };
      const worker = new Worker<{ stream?: string }>(
        QUEUE,
        async ({ name, data: { stream } }) => {
          if (name === EXPIRE) await options.expire(drain);
          else if (stream !== undefined && (await options.sweep(stream, drain))) await goOn(stream);
        },
        { prefix: PREFIX, connection, concurrency, autorun: false },
      );
      // What fails says so itself, when it is asked for; reconnecting goes on for ever.
      queue.on('error', () => undefined);
      worker.on('error', (error) => logger.debug({ err: error }, 'the queue of jobs'));
      const plan = async () => {
        const wanted = new Map([[EXPIRE, { every: expireEveryMs, name: EXPIRE, data: {} }]]);
        for (const stream of (await retainedStreams(bus)).keys())
          wanted.set(`${SWEEP}:${stream}`, { every: sweepEveryMs, name: SWEEP, data: { stream } });
        await schedule(queue, wanted);
      };
      const working = worker.run();
      const ended = Promise.withResolvers<void>();
      abort.addEventListener('abort', () => ended.resolve(), { once: true });
      try {
        await pollLoop({
          intervalMs: PLAN_EVERY_MS,
          signal: drain,
          run: plan,
          onError: (error) => logger.warn({ err: error }, 'jobs could not be planned; trying again'),
        });
        await Promise.race([worker.close(), ended.promise]);
      } finally {
        await worker.close(true).catch(() => 'the process ends anyway');
        await queue.close().catch(() => 'the process ends anyway');
      }
      await working;
    },
  };
}

type Wanted = ReadonlyMap<string, { readonly every: number; readonly name: string; readonly data: object }>;

/** Makes what is planned what is wanted; what goes as it should is left alone, or it would begin anew each time. */
async function schedule(queue: Queue, wanted: Wanted): Promise<void> {
  const planned = new Map((await queue.getJobSchedulers()).map((scheduler) => [scheduler.key, scheduler]));
  for (const [id, { every, name, data }] of wanted) {
    const found = planned.get(id);
    planned.delete(id);
    const waitMs = (found?.next ?? 0) - Date.now();
    const isOverdue = waitMs < -every - OVERDUE_MS;
    // By a process whose clock was ahead. What is planned anew goes on from there, unless it is removed first.
    const isFarAhead = waitMs > every + OVERDUE_MS;
    if (Number(found?.every) === every && !isOverdue && !isFarAhead) continue;
    if (isFarAhead) await queue.removeJobScheduler(id);
    await queue.upsertJobScheduler(id, { every }, { name, data });
  }
  for (const id of planned.keys()) await queue.removeJobScheduler(id);
}
