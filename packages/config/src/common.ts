import { duration, logLevel, port } from './fragments.ts';
import { sameAs } from './same-as.ts';
import { httpUrl, postgresUrl, redisUrl } from './urls.ts';

/**
 * The databases. `DATABASE_DIRECT_URL` goes past a connection pooler (session locks need that), and
 * `BUS_DATABASE_URL` holds what belongs to the whole bus; both are `DATABASE_URL` unless set.
 */
export const databaseConfig = {
  DATABASE_URL: postgresUrl(),
  DATABASE_DIRECT_URL: sameAs('DATABASE_URL', postgresUrl()),
  BUS_DATABASE_URL: sameAs('DATABASE_URL', postgresUrl()),
};

/** The Redis server. */
export const redisConfig = {
  REDIS_URL: redisUrl(),
};

// A Node.js timer cannot wait longer than this: it would fire at once.
const longestTimerMs = 2 ** 31 - 1;

/** What every long-running process takes: where it serves its health, what it logs, how it stops. */
export const workerConfig = {
  PORT: port().default(0),
  LOG_LEVEL: logLevel().default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  SHUTDOWN_DRAIN: duration({ maxMs: longestTimerMs }).default(20_000),
};
