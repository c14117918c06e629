import type { GroupReader, StreamObserver } from '@event-bus/transport';
import { createFlusher, type Flusher } from './flusher.ts';
import type { Held } from './held.ts';
import type { Outage } from './outage.ts';
import type { RunnerSettings } from './settings.ts';

/**
 * Acknowledges what the inbox has settled, many at a time. Only ever given entries whose transaction has
 * committed. One that could not be acknowledged at once is compared first: by then its ID may stand for another
 * event, which must not be lost.
 */
export function createAcknowledger(parts: {
  readonly group: string;
  readonly reader: GroupReader;
  readonly observer: StreamObserver;
  readonly outage: Outage;
  readonly settings: RunnerSettings;
}): Flusher<Held> {
  const { group, reader, observer, outage, settings } = parts;

  async function isAnotherEvent({ delivery }: Held): Promise<boolean> {
    const [entry] = await observer.range(delivery.stream, delivery.id, delivery.id, 1);
    return entry !== undefined && entry.fields.event_id !== delivery.fields.event_id;
  }

  return createFlusher<Held>({
    streamOf: (item) => item.delivery.stream,
    outage,
    lingerMs: settings.acknowledgeLingerMs,
    enough: settings.acknowledgeCount,
    send: async (stream, items, again) => {
      const ids: string[] = [];
      for (const item of items) {
        if (!again || !(await isAnotherEvent(item))) ids.push(item.delivery.id);
      }
      if (ids.length > 0) await reader.acknowledge({ stream, group }, ids);
    },
  });
}
