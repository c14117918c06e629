import type { GroupReader } from '@event-bus/transport';
import type { Feed } from './feed.ts';
import { createFlusher, type Flusher } from './flusher.ts';
import { entryNameOf, type Held } from './held.ts';
import type { Outage } from './outage.ts';
import type { RunnerSettings } from './settings.ts';

/**
 * Acknowledges what the inbox has settled, many at a time. Only ever given entries whose transaction has
 * committed.
 */
export function createAcknowledger(parts: {
  readonly feedOf: (held: Held) => Feed;
  readonly reader: GroupReader;
  readonly outage: Outage;
  readonly settings: RunnerSettings;
}): Flusher<Held> {
  const { feedOf, reader, outage, settings } = parts;
  return createFlusher<Held, Feed>({
    targetOf: feedOf,
    outage,
    lingerMs: settings.acknowledgeLingerMs,
    enough: settings.acknowledgeCount,
    send: async (feed, items) => {
      await reader.acknowledge(feed, items.map(entryNameOf));
    },
  });
}
