import { databaseConfig, duration, redisConfig, workerConfig } from '@event-bus/config';
import { z } from 'zod';

/**
 * The environment of a dead-letter mover. `DATABASE_URL` is the database of inboxes: it moves what the groups give up
 * whose inbox is there.
 */
export const config = z.object({
  ...workerConfig,
  ...databaseConfig,
  ...redisConfig,
  /** How often the pending lists are searched for what is to be given up. */
  SWEEP_EVERY: duration({ minMs: 50, maxMs: 3_600_000 }).default(1_000),
  /** After how long without a sign of life the name of a consumer that holds nothing is removed. */
  CONSUMER_IDLE: duration({ minMs: 1_000, maxMs: 2_592_000_000 }).default(600_000),
});
