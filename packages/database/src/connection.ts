import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { observePool } from './pool-metrics.ts';
import type { BusDatabase } from './schema.ts';

/** Settings of a connection pool. */
export interface PoolOptions {
  readonly url: string;
  /** Most connections at a time. */
  readonly max?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Session settings, applied when a connection opens: they free what a frozen or vanished holder keeps locked. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Sends a statement without waiting for the reply of the one before it. For code that can bear that; no cursors. */
  readonly pipeline?: boolean;
  /** A query without an answer for so long is given up, also when the server has vanished without a word. */
  readonly queryTimeoutMs?: number;
  /** Under which name its use is published as metrics, such as `handlers`; unset, it is not. */
  readonly metricsName?: string;
  /** Told of connections that broke while idle; the pool replaces them. */
  readonly onError?: (error: Error) => void;
}

function sessionOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries({ timezone: 'UTC', ...settings })
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/**
 * Opens a pool of connections. Connecting is lazy: an unreachable server shows at the first query.
 * Close it with `end()`.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName,
    options: sessionOptions(options.settings ?? {}),
    connectionTimeoutMillis: 10_000,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    keepAlive: true,
    pipeline: options.pipeline ?? false,
  });
  // Without a listener, a backend that is terminated while its connection idles or works ends the process.
  const onError = options.onError ?? (() => undefined);
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
  if (options.metricsName !== undefined) observePool(pool, options.metricsName);
  return pool;
}

/** A kysely over a pool, for the bus's own tables. Destroying it ends the pool. */
export function createDatabase(pool: pg.Pool): Kysely<BusDatabase> {
  return new Kysely<BusDatabase>({ dialect: new PostgresDialect({ pool }) });
}
