import { archiveConfig } from '@event-bus/archive';
import { bytes, databaseConfig, duration, integer, redisConfig, workerConfig } from '@event-bus/config';
import { z } from 'zod';

/** The environment of a replayer. */
export const config = z.object({
  ...workerConfig,
  ...databaseConfig,
  ...redisConfig,
  ...archiveConfig,
  /** Without it, only what is in the streams still can be replayed. */
  ARCHIVE_URL: archiveConfig.ARCHIVE_URL.optional(),
  /** Replays that this process works on at a time. */
  REPLAY_CONCURRENCY: integer({ min: 1, max: 100 }).default(4),
  /** Events that are injected for a group, and that it has not settled, at most. */
  REPLAY_AHEAD: integer({ min: 1, max: 100_000 }).default(1_000),
  /** The same in bytes of one stream of a replay. */
  REPLAY_AHEAD_BYTES: bytes({ min: 1_024 }).default(16 * 1_024 * 1_024),
  /** How often to look for replays that were asked for, or whose job was lost. */
  REPLAY_POLL: duration({ minMs: 50, maxMs: 3_600_000 }).default(1_000),
  /** A replayer that is frozen or cut off for so long is replaced. */
  REPLAY_LOCK: duration({ minMs: 1_000, maxMs: 600_000 }).default(30_000),
});

/** The configuration, read. */
export type ReplayerConfig = z.output<typeof config>;
