import { bytes, databaseConfig, duration, integer, list, redisConfig, workerConfig } from '@event-bus/config';
import { defaultRunnerSettings, type RunnerSettings } from '@event-bus/consumer/runner';
import { z } from 'zod';

const dayMs = 86_400_000;
const example = '@event-bus/welcome-email,@event-bus/user-directory';

/**
 * The environment of a consumer runner. `DATABASE_URL` is where the handlers write and the inbox is;
 * `BUS_DATABASE_URL` is where the group is registered.
 */
export const config = z.object({
  ...workerConfig,
  ...databaseConfig,
  ...redisConfig,
  /** The consumers to run: names of packages under services/, or their folders. */
  CONSUMERS: list({ example }),
  /** Transactions at a time per consumer, in place of what its definition says. */
  CONCURRENCY: integer({ min: 1, max: 1_000 }).optional(),
  /** After how long without a sign of life another runner takes over what a runner holds. */
  CLAIM_IDLE: duration({ minMs: 300, maxMs: 86_400_000 }).default(defaultRunnerSettings.claimIdleMs),
  /** How often to look for entries to take over, those that other runners handed back among them. */
  RECLAIM_EVERY: duration({ minMs: 50, maxMs: 3_600_000 }).default(defaultRunnerSettings.reclaimEveryMs),
  /** Most entries per stream in one read. */
  READ_COUNT: integer({ min: 1, max: 10_000 }).default(defaultRunnerSettings.readCount),
  /** Most entries held per consumer: in handlers, waiting, being retried. */
  MAX_HELD: integer({ min: 1, max: 1_000_000 }).default(defaultRunnerSettings.capacity),
  /** The same in bytes: when it is reached, nothing more is read. */
  MAX_HELD_BYTES: bytes({ min: 1024 }).default(defaultRunnerSettings.capacityBytes),
  /** Ordered consumers: a runner that is frozen or cut off for so long is replaced. */
  LEASE_TTL: duration({ minMs: 300, maxMs: 600_000 }).default(defaultRunnerSettings.leaseTtlMs),
  /**
   * A handler's transaction that waits for its handler longer than this is ended by PostgreSQL, so that a frozen
   * runner frees what it has locked. Default: 5 s more than the longest time-out of a handler.
   */
  TRANSACTION_IDLE: duration({ minMs: 100, maxMs: 86_400_000 }).optional(),
  /** How long the inbox remembers what it has settled: at least OUTBOX_KEEP and LONGEST_WAIT together. */
  INBOX_KEEP: duration({ minMs: 1_000 }).default(30 * dayMs),
  /** The longest that an event may wait in a stream, in a pending list or as a dead letter. */
  LONGEST_WAIT: duration({ minMs: 1_000 }).default(14 * dayMs),
  /** How often to look for old partitions that can be dropped. */
  INBOX_PRUNE_EVERY: duration({ minMs: 100, maxMs: dayMs }).default(600_000),
});

/** The configuration, read. */
export type RunnerConfig = z.output<typeof config>;

/** The runner's settings as the environment gives them. */
export function runnerSettings(env: RunnerConfig): Partial<RunnerSettings> {
  return {
    claimIdleMs: env.CLAIM_IDLE,
    reclaimEveryMs: env.RECLAIM_EVERY,
    readCount: env.READ_COUNT,
    capacity: env.MAX_HELD,
    capacityBytes: env.MAX_HELD_BYTES,
    leaseTtlMs: env.LEASE_TTL,
  };
}
