import { bytes, databaseConfig, duration, integer, redisConfig, workerConfig } from '@event-bus/config';
import { defaultSettings } from '@event-bus/publisher';
import { z } from 'zod';

const name = /^[a-z][a-z0-9_.-]*$/;

/** The environment of an outbox publisher. */
export const config = z.object({
  ...workerConfig,
  ...databaseConfig,
  ...redisConfig,
  /** Names this outbox in every event. It never changes: consumers know its events by it. */
  OUTBOX_SOURCE: z
    .string()
    .regex(name, 'must be a name such as "billing": lower case, digits, "_", "." and "-"'),
  /** Rows per page, which is about the size of a batch. */
  PUBLISH_BATCH_SIZE: integer({ min: 1, max: 5_000 }).default(defaultSettings.pageSize),
  /** Bytes of payloads per page: with the row that reaches them it ends, however few rows it has. */
  PUBLISH_BATCH_BYTES: bytes({ min: 1024 }).default(defaultSettings.pageBytes),
  /** After less than a page, how long to wait for more. */
  PUBLISH_LINGER: duration().default(defaultSettings.lingerMs),
  /** Longest time between two looks at the outbox. */
  PUBLISH_POLL: duration({ minMs: 10 }).default(defaultSettings.pollMs),
  /** How often streams that nobody writes to are checked for loss. */
  PUBLISH_SWEEP: duration({ minMs: 100 }).default(defaultSettings.sweepMs),
  /** A leader that is frozen or cut off for so long is replaced. */
  LEADER_SESSION_TIMEOUT: duration({ minMs: 1_000 }).default(defaultSettings.sessionTimeoutMs),
  /** The log keeps what is younger, whatever became of it: as old as the oldest backup of Redis one would restore. */
  OUTBOX_KEEP: duration({ minMs: 1_000 }).default(defaultSettings.keepMs),
  /** How often to look for old partitions that can be dropped. */
  OUTBOX_PRUNE_EVERY: duration({ minMs: 100, maxMs: 86_400_000 }).default(600_000),
  /** Events whose stream entry would be larger are parked. */
  MAX_ENTRY_BYTES: bytes({ min: 1024 }).default(defaultSettings.maxEntryBytes),
});
