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
   * PostgreSQL ends a transaction of whose runner it hears nothing for so long, so that a frozen runner frees what it has
   * locked. A runner that lives is heard, however long its handlers take. Default: when another takes over what the runner
   * holds, which is after LEASE_TTL for ordered consumers and after CLAIM_IDLE for the others.
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

/** How long nothing may be heard of a consumer's transaction before PostgreSQL ends it. */
export function transactionIdleMs(env: RunnerConfig, ordering: 'none' | 'aggregate'): number {
  return env.TRANSACTION_IDLE ?? (ordering === 'aggregate' ? env.LEASE_TTL : env.CLAIM_IDLE);
}

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
