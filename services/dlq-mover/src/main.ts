import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import { pollLoop, runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { config } from './config.ts';
import { createMoverObserver } from './observer.ts';
import { createSweep } from './sweep.ts';

await runService({
  name: 'dlq-mover',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const open = (metricsName: string, url: string, max: number) => {
      const database = createDatabase(
        createPool({
          url,
          applicationName: 'dlq-mover',
          metricsName,
          max,
          queryTimeoutMs: 60_000,
          // Whoever handles an event just now is waited for, but not for long.
          settings: { lock_timeout: '1s' },
        }),
      );
      scope.defer(() => database.destroy());
      return database;
    };
    const inbox = open('inbox', config.DATABASE_URL.reveal(), 10);
    const bus = open('bus', config.BUS_DATABASE_URL.reveal(), 2);
    const transport = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() }));
    const redis = transport.observer();

    const reachInbox = async () => void (await loadInboxGroups(inbox));
    await waitFor('postgres', () => assertSchemaIsCurrent(inbox));
    await waitFor('bus-postgres', () => assertSchemaIsCurrent(bus));
    const sweep = createSweep({
      inbox,
      bus,
      mover: transport.mover(),
      reader: transport.reader(),
      streams: redis,
      observer: createMoverObserver(logger),
      consumerIdleMs: config.CONSUMER_IDLE,
    });
    return {
      components: [
        {
          name: 'mover',
          run: ({ drain }) =>
            pollLoop({
              intervalMs: config.SWEEP_EVERY,
              signal: drain,
              run: sweep,
              onError: (error) => logger.warn({ err: error }, 'a sweep failed; the next one goes on'),
            }),
        },
      ],
      checks: [
        { name: 'postgres', check: reachInbox },
        { name: 'redis', check: () => redis.ping() },
      ],
    };
  },
});
