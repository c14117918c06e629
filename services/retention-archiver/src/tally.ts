import type { ArchivedMark, SourceEvent } from '@event-bus/database';
import type { StreamEntry } from '@event-bus/transport';

/** What entries that pass by end with. */
export interface Tally {
  /** Entries in order. */
  count(entry: StreamEntry): void;
  /** What those before the newest, or all if that is the one with this ID, end with. */
  upTo(id: string): { readonly to: ArchivedMark; readonly lastOf: ReadonlyMap<string, SourceEvent> };
}

/**
 * Keeps the last entry, and the last event of each source, of entries that are written into objects. An object is only
 * given out when the entry behind it has been asked for: so the newest counts as soon as another one, or an object that ends
 * with it, has come.
 */
export function createTally(): Tally {
  const lastOf = new Map<string, SourceEvent>();
  let newest: StreamEntry | undefined;
  let mark: ArchivedMark = { entryId: '', eventId: '' };

  const settle = () => {
    if (newest === undefined) return;
    const { id, fields } = newest;
    mark = { entryId: id, eventId: fields.event_id ?? '' };
    const event = sourceEvent(fields.position, fields.event_id);
    if (fields.source !== undefined && event !== undefined) lastOf.set(fields.source, event);
    newest = undefined;
  };

  return {
    count(entry) {
      settle();
      newest = entry;
    },
    upTo(id) {
      if (newest?.id === id) settle();
      return { to: mark, lastOf: new Map(lastOf) };
    },
  };
}

/** An event in terms of its outbox; `undefined` for what is no event of one. */
export function sourceEvent(
  position: string | undefined,
  eventId: string | undefined,
): SourceEvent | undefined {
  const number = Number(position);
  if (position === undefined || position === '' || eventId === undefined) return undefined;
  return Number.isSafeInteger(number) ? { position: number, eventId } : undefined;
}
