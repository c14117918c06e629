import { openArchiveStore } from '@event-bus/archive';
import { platformCatalog } from '@event-bus/contracts';
import { assertSchemaIsCurrent, createDatabase, createPool, loadRetentions } from '@event-bus/database';
import { createPolicies, undefinedTopics } from '@event-bus/operations';
import { runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { config } from './config.ts';
import { createExpiry } from './expire.ts';
import { createJobs } from './jobs.ts';
import { createMemoryWatch } from './memory-watch.ts';
import { createArchiverObserver } from './observer.ts';
import { createStreamWatch } from './stream-watch.ts';
import { createSweeper } from './sweeper.ts';
import { watching } from './watch.ts';

await runService({
  name: 'retention-archiver',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const policyOf = createPolicies(platformCatalog.topics, config.RETENTION);
    const topics = undefinedTopics(platformCatalog.topics, config.RETENTION);
    if (topics.length > 0) logger.warn({ topics }, 'RETENTION names topics that no contract defines');
    const bus = createDatabase(
      createPool({ url: config.BUS_DATABASE_URL.reveal(), applicationName: 'retention-archiver', max: 5 }),
    );
    scope.defer(() => bus.destroy());
    const store = scope.use(await openArchiveStore(config));
    const transport = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() }));
    const [streams, trimmer] = [transport.observer(), transport.trimmer()];

    await waitFor('bus-postgres', () => assertSchemaIsCurrent(bus));
    const observer = createArchiverObserver(logger);
    const streamWatch = createStreamWatch({ bus, observer: streams, trimmer, policyOf, logger });
    const memoryWatch = createMemoryWatch({ observer: streams, logger, memoryAlarm: config.MEMORY_ALARM });
    const everyMs = config.WATCH_EVERY;
    const jobs = createJobs({
      redisUrl: config.JOBS_REDIS_URL.reveal(),
      bus,
      logger,
      sweep: createSweeper({
        bus,
        store,
        streams,
        trimmer,
        observer,
        policyOf,
        archiveAfterMs: config.ARCHIVE_AFTER,
        maxObjectBytes: config.ARCHIVE_OBJECT_BYTES,
        lock: config.ARCHIVE_LOCK,
      }),
      expire: createExpiry({ bus, store, policyOf, observer }),
      sweepEveryMs: config.ARCHIVE_EVERY,
      expireEveryMs: config.EXPIRE_EVERY,
      concurrency: config.ARCHIVE_CONCURRENCY,
    });
    return {
      components: [
        jobs,
        watching(streamWatch, { name: 'stream-watch', what: 'the streams', everyMs, logger }),
        watching(memoryWatch, { name: 'memory-watch', what: 'the memory of Redis', everyMs, logger }),
      ],
      checks: [
        { name: 'bus-postgres', check: async () => void (await loadRetentions(bus)) },
        { name: 'redis', check: () => streams.ping() },
        { name: 'archive', check: () => store.ping() },
      ],
    };
  },
});
