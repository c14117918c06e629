import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import { pollLoop, runService } from '@event-bus/service';
import { createRedisTransport } from '@event-bus/transport/redis';
import { config } from './config.ts';
import { publishGauges } from './gauges.ts';
import { type Survey, survey } from './survey.ts';

await runService({
  name: 'bus-monitor',
  config,
  setup: async ({ config, logger, scope, waitFor }) => {
    const open = (metricsName: string, url: string) => {
      const pool = createPool({
        url,
        applicationName: 'bus-monitor',
        metricsName,
        max: 3,
        queryTimeoutMs: 30_000,
      });
      const database = createDatabase(pool);
      scope.defer(() => database.destroy());
      return { pool, database };
    };
    const { pool, database } = open('outbox', config.DATABASE_URL.reveal());
    const { database: bus } = open('bus', config.BUS_DATABASE_URL.reveal());
    const streams = scope.use(createRedisTransport({ url: config.REDIS_URL.reveal() })).observer();
    await waitFor('postgres', () => assertSchemaIsCurrent(database));
    await waitFor('bus-postgres', () => assertSchemaIsCurrent(bus));

    let last: Survey | undefined;
    publishGauges(() => last);
    return {
      components: [
        {
          name: 'monitor',
          run: ({ drain }) =>
            pollLoop({
              intervalMs: config.MONITOR_EVERY,
              signal: drain,
              run: async () => {
                const found = await survey({ pool, database, bus, streams });
                for (const [part, error] of found.failures) {
                  if (!(last?.failures.has(part) ?? false))
                    logger.warn({ part, err: error }, 'a part of the bus could not be looked at');
                }
                const known = last?.streams?.unreadable ?? [];
                for (const { stream, message } of found.streams?.unreadable ?? []) {
                  if (!known.some((error) => error.stream === stream)) logger.error({ stream }, message);
                }
                last = found;
              },
              onError: (error) => logger.error({ err: error }, 'the bus could not be looked at'),
            }),
        },
      ],
      checks: [
        { name: 'postgres', check: async () => void (await pool.query('select 1')) },
        { name: 'redis', check: () => streams.ping() },
      ],
    };
  },
});
