import { defaultSettings, type PublisherSettings } from '@event-bus/publisher';
import type { z } from 'zod';
import type { config } from './config.ts';

/** The publisher's settings as the environment gives them. */
export function publisherSettings(env: z.output<typeof config>): PublisherSettings {
  return {
    ...defaultSettings,
    source: env.OUTBOX_SOURCE,
    pageSize: env.PUBLISH_BATCH_SIZE,
    pageBytes: env.PUBLISH_BATCH_BYTES,
    lingerMs: env.PUBLISH_LINGER,
    pollMs: env.PUBLISH_POLL,
    sweepMs: env.PUBLISH_SWEEP,
    sessionTimeoutMs: env.LEADER_SESSION_TIMEOUT,
    maxEntryBytes: env.MAX_ENTRY_BYTES,
    keepMs: env.OUTBOX_KEEP,
  };
}
