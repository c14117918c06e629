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
  /** Told whenever there is room for more. */
  readonly onSent: () => void;
}): Flusher<Held> {
  const { feedOf, reader, outage, settings, onSent } = parts;
  return createFlusher<Held, Feed>({
    targetOf: feedOf,
    outage,
    lingerMs: settings.acknowledgeLingerMs,
    // They take room until they are sent: if there is little, it must not all wait for the time to pass.
    enough: Math.min(settings.acknowledgeCount, Math.ceil(settings.capacity / 2)),
    onSent,
    send: async (feed, items) => {
      await reader.acknowledge(feed, items.map(entryNameOf));
    },
  });
}
