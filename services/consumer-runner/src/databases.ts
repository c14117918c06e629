import type { ConsumerDefinition } from '@event-bus/consumer';
import { createDatabase, createPool, type PoolOptions } from '@event-bus/database';
import type { HealthCheck, Scope } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import type { RunnerConfig } from './config.ts';

/** A kysely over the bus's tables. */
export type BusConnection = ReturnType<typeof createDatabase>;

/** The connections of a runner. */
export interface Databases {
  /** For handlers and their inbox rows; as many connections as transactions at a time. */
  readonly handlers: ReturnType<typeof createPool>;
  /** The same database for leases and upkeep, which must not wait for a handler to be done. */
  readonly upkeep: BusConnection;
  /** The same once more, to look through old partitions, which may take long. */
  readonly pruning: BusConnection;
  /** Where groups and topics are registered. */
  readonly bus: BusConnection;
  /** Whether the two databases answer, which may be one and the same. */
  readonly checks: readonly HealthCheck[];
}

const upkeepTimeoutMs = 10_000;
const pruningTimeoutMs = 600_000;

/** Makes the pools; nothing connects yet. */
export function openDatabases(
  config: RunnerConfig,
  consumers: readonly ConsumerDefinition[],
  { logger, scope }: { readonly logger: Logger; readonly scope: Scope },
): Databases {
  const onError = (error: Error) =>
    logger.warn({ err: error }, 'a database connection broke; it is replaced');
  const open = (applicationName: string, options: Omit<PoolOptions, 'applicationName' | 'onError'>) =>
    createPool({ ...options, applicationName, onError });

  const handlers = open('consumer-runner', {
    metricsName: 'handlers',
    url: config.DATABASE_URL.reveal(),
    max: consumers.reduce((sum, { concurrency }) => sum + concurrency, 0),
    pipeline: true,
  });
  scope.defer(() => handlers.end());
  const timed = {
    queryTimeoutMs: upkeepTimeoutMs,
    settings: { statement_timeout: `${upkeepTimeoutMs}ms` },
  };
  const upkeep = createDatabase(
    open('consumer-runner upkeep', {
      metricsName: 'upkeep',
      url: config.DATABASE_URL.reveal(),
      max: 3,
      ...timed,
    }),
  );
  scope.defer(() => upkeep.destroy());
  const pruning = createDatabase(
    open('consumer-runner pruning', {
      url: config.DATABASE_URL.reveal(),
      max: 1,
      queryTimeoutMs: pruningTimeoutMs,
    }),
  );
  scope.defer(() => pruning.destroy());
  const registry = open('consumer-runner registry', {
    metricsName: 'bus',
    url: config.BUS_DATABASE_URL.reveal(),
    max: 2,
    ...timed,
  });
  const bus = createDatabase(registry);
  scope.defer(() => bus.destroy());
  const checks = [
    { name: 'postgres', check: async () => void (await handlers.query('select 1')) },
    { name: 'bus-postgres', check: async () => void (await registry.query('select 1')) },
  ];
  return { handlers, upkeep, pruning, bus, checks };
}
