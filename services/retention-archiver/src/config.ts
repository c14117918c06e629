import { archiveConfig } from '@event-bus/archive';
import {
  bytes,
  databaseConfig,
  duration,
  fragment,
  integer,
  redisConfig,
  redisUrl,
  sameAs,
  workerConfig,
} from '@event-bus/config';
import { retentionConfig } from '@event-bus/operations';
import { z } from 'zod';

const lockModes = ['governance', 'compliance'] as const;

const lockMode = () =>
  fragment<(typeof lockModes)[number]>({
    example: 'governance',
    parse: (text) => {
      const value = lockModes.find((mode) => mode === text.toLowerCase());
      return value === undefined ? { problem: `is not one of ${lockModes.join(', ')}` } : { value };
    },
  });

const fraction = () =>
  fragment<number>({
    example: '0.8',
    parse: (text) => {
      const value = Number(text);
      return value > 0 && value <= 1 ? { value } : { problem: 'is not a number above 0 and up to 1' };
    },
  });

/** The environment of an archiver. `BUS_DATABASE_URL` says which streams and groups there are, and keeps how far it is. */
export const config = z.object({
  ...workerConfig,
  DATABASE_URL: databaseConfig.DATABASE_URL,
  BUS_DATABASE_URL: databaseConfig.BUS_DATABASE_URL,
  ...redisConfig,
  ...archiveConfig,
  ...retentionConfig,
  /** Where the jobs are; their keys begin with `{event-bus:retention}`. */
  JOBS_REDIS_URL: sameAs('REDIS_URL', redisUrl()),
  /** How often each stream is swept. */
  ARCHIVE_EVERY: duration({ minMs: 100, maxMs: 86_400_000 }).default(60_000),
  /** How many streams this process sweeps at a time. */
  ARCHIVE_CONCURRENCY: integer({ min: 1, max: 64 }).default(2),
  /** An hour is archived when it has been over for so long; what leaves the hot window sooner is archived then. */
  ARCHIVE_AFTER: duration({ minMs: 0, maxMs: 31_536_000_000 }).default(300_000),
  /** How large an object may become, uncompressed. */
  ARCHIVE_OBJECT_BYTES: bytes({ min: 1024, max: 1024 ** 3 }).default(64 * 1024 ** 2),
  /** Locks the objects of topics marked `compliance` for as long as they are kept, where the store can. */
  ARCHIVE_LOCK: lockMode().optional(),
  /** How often the archive is searched for what is past its policy. */
  EXPIRE_EVERY: duration({ minMs: 100, maxMs: 86_400_000 }).default(3_600_000),
  /** How often is looked how the streams stand, for the metrics. */
  WATCH_EVERY: duration({ minMs: 100, maxMs: 3_600_000 }).default(15_000),
  /** From which part of its memory on Redis is reported to be short of it. */
  MEMORY_ALARM: fraction().default(0.8),
});
