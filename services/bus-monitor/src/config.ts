import { databaseConfig, duration, redisConfig, workerConfig } from '@event-bus/config';
import { z } from 'zod';

/**
 * The environment of a bus monitor. `DATABASE_URL` is the outbox, and the database of inboxes, that it looks at: with
 * several databases, run one for each.
 */
export const config = z.object({
  ...workerConfig,
  ...databaseConfig,
  ...redisConfig,
  /** How often to look. Metrics are those of the last look. */
  MONITOR_EVERY: duration({ minMs: 100, maxMs: 3_600_000 }).default(5_000),
});
