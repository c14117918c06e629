import { type BusDatabase, openReplays } from '@event-bus/database';
import { type Component, pollLoop } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import { Queue, Worker } from 'bullmq';
import type { Kysely } from 'kysely';
import type { ReplayerConfig } from './config.ts';
import type { Replayer } from './replay.ts';

const QUEUE = 'replays';
/** The braces put all keys of the queue into one Cluster slot. */
const PREFIX = '{event-bus:replayer}';

interface JobData {
  readonly replay: string;
}

/**
 * Has every replay that is to be worked on driven by a job, in one of all replayers at a time. The job is named by the
 * replay and says nothing else: adding it again while it is there changes nothing, so lost jobs come back by themselves,
 * and one that has come back from the past finds nothing to do.
 */
export function createJobs(parts: {
  readonly bus: Kysely<BusDatabase>;
  readonly replayer: Replayer;
  readonly config: Pick<ReplayerConfig, 'REDIS_URL' | 'REPLAY_CONCURRENCY' | 'REPLAY_POLL' | 'REPLAY_LOCK'>;
  readonly logger: Logger;
}): Component {
  const { bus, replayer, config, logger } = parts;
  const url = config.REDIS_URL.reveal();

  return {
    name: 'replays',
    async run({ drain, abort }) {
      const queue = new Queue<JobData>(QUEUE, {
        prefix: PREFIX,
        connection: { url, maxRetriesPerRequest: 1, enableOfflineQueue: false },
        skipVersionCheck: true,
      });
      const worker = new Worker<JobData>(
        QUEUE,
        (job) =>
          replayer.run(job.data.replay, drain, (percent) => {
            // It is for onlookers. The job may be gone: what is true stands in the database.
            job.updateProgress(percent).catch((error: unknown) => {
              logger.debug(
                { err: error, replay: job.data.replay },
                'the progress of a job could not be told',
              );
            });
          }),
        {
          prefix: PREFIX,
          connection: { url, maxRetriesPerRequest: null },
          concurrency: config.REPLAY_CONCURRENCY,
          lockDuration: config.REPLAY_LOCK,
          stalledInterval: config.REPLAY_LOCK,
          removeOnComplete: { count: 0 },
          removeOnFail: { count: 0 },
          skipVersionCheck: true,
        },
      );
      const onError = (error: Error) =>
        logger.warn({ err: error }, 'the jobs of replays cannot be reached as they should');
      queue.on('error', onError);
      worker.on('error', onError);
      const stop = () => void worker.close(true);
      abort.addEventListener('abort', stop, { once: true });
      await pollLoop({
        intervalMs: config.REPLAY_POLL,
        signal: drain,
        run: async () => {
          for (const replay of await openReplays(bus)) {
            await queue.add('replay', { replay }, { jobId: replay });
          }
        },
        onError: (error) => logger.warn({ err: error }, 'replays could not be looked up; the next look does'),
      });
      abort.removeEventListener('abort', stop);
      await Promise.all([worker.close(), queue.close()]);
    },
  };
}
