import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import { runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { createComponents } from './components.ts';
import { config } from './config.ts';
import { createMoverObserver } from './observer.ts';

await runService({
  name: 'dlq-mover',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const open = (metricsName: string, url: string, max: number) => {
      const pool = createPool({
        url,
        applicationName: 'dlq-mover',
        metricsName,
        max,
        queryTimeoutMs: 60_000,
        // Whoever handles an event just now is waited for, but not for long.
        settings: { lock_timeout: '1s' },
        onError: (error) => logger.warn({ err: error }, 'a database connection broke; it is replaced'),
      });
      const database = createDatabase(pool);
      scope.defer(() => database.destroy());
      return { database, reach: async () => void (await pool.query('select 1')) };
    };
    const inbox = open('inbox', config.DATABASE_URL.reveal(), 12);
    const bus = open('bus', config.BUS_DATABASE_URL.reveal(), 2);
    const transport = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() }));
    const streams = transport.observer();

    await waitFor('postgres', inbox.reach);
    await waitFor('bus-postgres', bus.reach);
    for (const { database } of [inbox, bus]) await assertSchemaIsCurrent(database);
    return {
      components: createComponents(
        {
          inbox: inbox.database,
          bus: bus.database,
          mover: transport.mover(),
          reader: transport.reader(),
          streams,
          observer: createMoverObserver(logger),
        },
        { sweepEveryMs: config.SWEEP_EVERY, consumerIdleMs: config.CONSUMER_IDLE, logger },
      ),
      checks: [
        { name: 'postgres', check: inbox.reach },
        { name: 'bus-postgres', check: bus.reach },
        { name: 'redis', check: () => streams.ping() },
      ],
    };
  },
});
