import { type ArchiveStore, openArchiveStore } from '@event-bus/archive';
import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import { runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { config } from './config.ts';
import { createJobs } from './jobs.ts';
import { createReplayObserver } from './observer.ts';
import { createReplayer } from './replay.ts';

await runService({
  name: 'replayer',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const { ARCHIVE_URL, REDIS_URL, BUS_DATABASE_URL } = config;
    const pool = createPool({
      url: BUS_DATABASE_URL.reveal(),
      applicationName: 'replayer',
      max: config.REPLAY_CONCURRENCY + 2,
      queryTimeoutMs: 30_000,
    });
    const bus = createDatabase(pool);
    scope.defer(() => bus.destroy());
    const transport = scope.use(createRedisTransport({ url: REDIS_URL.reveal() }));
    const streams = transport.observer();
    let store: ArchiveStore | undefined;
    if (ARCHIVE_URL === undefined)
      logger.warn({}, 'there is no ARCHIVE_URL: only what is in the streams still can be replayed');
    else store = scope.use(await openArchiveStore({ ...config, ARCHIVE_URL }));
    await waitFor('postgres', () => assertSchemaIsCurrent(bus));

    const replayer = createReplayer({
      bus,
      history: { store, streams },
      mover: transport.mover(),
      observer: createReplayObserver(),
      logger,
      ahead: { entries: config.REPLAY_AHEAD, bytes: config.REPLAY_AHEAD_BYTES },
    });
    return {
      components: [createJobs({ bus, replayer, config, logger })],
      checks: [
        { name: 'postgres', check: async () => void (await pool.query('select 1')) },
        { name: 'redis', check: () => streams.ping() },
        ...(store === undefined ? [] : [{ name: 'archive', check: () => store.ping() }]),
      ],
    };
  },
});
