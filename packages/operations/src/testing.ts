import { ENTRY_FIELDS, type EntryValues } from '@event-bus/transport';

/** The values of an entry of the source `billing` that says nothing but which event it is. */
export function entryOf(eventId: string): EntryValues {
  const values: Partial<Record<string, string>> = { event_id: eventId, source: 'billing' };
  return ENTRY_FIELDS.map((name) => values[name] ?? '');
}
