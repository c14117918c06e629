import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { platformCatalog } from '@event-bus/contracts';
import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import { assertDirectUrl, createPublisher } from '@event-bus/publisher';
import { runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { config } from './config.ts';
import { partitionKeeper, partitionPruner } from './partition-keeper.ts';
import { publisherSettings } from './settings.ts';

await runService({
  name: 'outbox-publisher',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const name = `outbox-publisher-${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
    const pool = createPool({
      url: config.DATABASE_URL.reveal(),
      applicationName: name,
      metricsName: 'outbox',
      max: 4,
      queryTimeoutMs: 60_000,
    });
    const database = createDatabase(pool);
    scope.defer(() => database.destroy());
    // To look through old partitions may take long.
    const prunePool = createPool({
      url: config.DATABASE_URL.reveal(),
      applicationName: `${name} pruning`,
      max: 1,
      queryTimeoutMs: 600_000,
    });
    const pruneDatabase = createDatabase(prunePool);
    scope.defer(() => pruneDatabase.destroy());
    const busPool = createPool({
      url: config.BUS_DATABASE_URL.reveal(),
      applicationName: name,
      metricsName: 'bus',
      max: 2,
      queryTimeoutMs: 60_000,
    });
    const busDatabase = createDatabase(busPool);
    scope.defer(() => busDatabase.destroy());
    // Only asked whether it answers: the lead has a connection of its own.
    const directPool = createPool({
      url: config.DATABASE_DIRECT_URL.reveal(),
      applicationName: `${name} direct`,
      max: 1,
      queryTimeoutMs: 5_000,
    });
    scope.defer(() => directPool.end());
    const transport = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() }));
    const observer = transport.observer();

    const databases = [
      { name: 'postgres', check: async () => void (await pool.query('select 1')) },
      { name: 'bus-postgres', check: async () => void (await busPool.query('select 1')) },
      { name: 'direct-postgres', check: async () => void (await directPool.query('select 1')) },
    ];
    for (const { name, check } of databases) await waitFor(name, check);
    await assertDirectUrl(pool, directPool);
    for (const db of [database, busDatabase]) await assertSchemaIsCurrent(db);
    const { source, keepMs } = publisherSettings(config);
    const publisher = createPublisher({
      pool,
      directUrl: config.DATABASE_DIRECT_URL.reveal(),
      busDatabase,
      transport,
      settings: publisherSettings(config),
      logger,
      name,
      topics: platformCatalog.topics,
    });
    return {
      components: [
        publisher,
        partitionKeeper(database, logger),
        partitionPruner(
          {
            pool: prunePool,
            db: pruneDatabase,
            bus: busDatabase,
            streams: observer,
            source,
            keepMs,
            name,
          },
          { everyMs: config.OUTBOX_PRUNE_EVERY, logger },
        ),
      ],
      checks: [...databases, { name: 'redis', check: () => observer.ping() }],
    };
  },
});
