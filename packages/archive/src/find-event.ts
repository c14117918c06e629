import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { entryOf, linesOf, loadObject } from './archived-object.ts';
import { listObjects } from './list-objects.ts';
import type { ReadRange } from './read-entries.ts';
import type { ArchiveStore } from './store/store.ts';

/** An entry and the object that holds it. */
export interface FoundEntry {
  readonly key: string;
  readonly entry: StreamEntry;
}

/**
 * Looks through the objects of a range for an event, which can be there more than once: under several entry IDs, if it was
 * published again, and in objects that overlap. It reads every object that reaches into the range, but unpacks into
 * entries only what holds the ID as text.
 * @throws DamagedObjectError, ObjectMissingError, UnknownFormatError
 */
export async function* findEvent(
  store: ArchiveStore,
  range: ReadRange & { readonly eventId: string },
): AsyncGenerator<FoundEntry> {
  const { eventId, from, to } = range;
  const text = JSON.stringify(eventId).slice(1, -1);
  for await (const { key } of listObjects(store, range)) {
    const object = await loadObject(store, key);
    let number = 0;
    for await (const line of linesOf(object)) {
      number += 1;
      if (!line.includes(text)) continue;
      const entry = entryOf(object, line.toString('utf8'), number);
      const isInRange =
        (from === undefined || compareEntryIds(entry.id, from) >= 0) &&
        (to === undefined || compareEntryIds(entry.id, to) <= 0);
      if (entry.fields.event_id === eventId && isInRange) yield { key, entry };
    }
  }
}
