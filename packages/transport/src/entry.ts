/**
 * The fields of a stream entry, always all of them and in this order: Redis stores the names of equal field
 * lists once per node. Absent values are empty strings.
 */
export const ENTRY_FIELDS = [
  'event_id',
  'source',
  'position',
  'event_type',
  'event_version',
  'aggregate_type',
  'aggregate_id',
  'tenant_id',
  'actor_id',
  'occurred_at',
  'payload',
  'traceparent',
  'tracestate',
  'correlation_id',
  'causation_id',
] as const;

/** A field that every published entry has. */
export type EntryField = (typeof ENTRY_FIELDS)[number];

/** The values of one entry in the order of {@link ENTRY_FIELDS}; exactly as many. */
export type EntryValues = readonly string[];

/** An entry as it stands in a stream. Foreign writers may have left out any field or added others. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Turns entry values into named fields. */
export function namedFields(values: EntryValues): Record<string, string> {
  return Object.fromEntries(ENTRY_FIELDS.map((name, index) => [name, values[index] ?? '']));
}
