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

/** The fields that a dead letter has behind those of its entry, in this order, for the same reason. */
export const DEAD_LETTER_FIELDS = [
  'dlq_original_id',
  'dlq_group',
  'dlq_reason',
  'dlq_error',
  'dlq_deliveries',
  'dlq_first_delivered_at',
  'dlq_dead_lettered_at',
  'dlq_consumer',
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

/** What a dead letter carries besides its entry's own fields, each value as text; instants in ISO 8601. */
export type DeadLetterDetails = Readonly<Record<(typeof DEAD_LETTER_FIELDS)[number], string>>;

/** The fields of a dead letter. An empty `replay_id`, which only says that a redriven event is of live traffic, is left out. */
export function deadLetterFields(
  fields: Readonly<Record<string, string>>,
  details: DeadLetterDetails,
): Record<string, string> {
  const own = Object.entries(fields).filter(([name, value]) => name !== 'replay_id' || value !== '');
  const added = DEAD_LETTER_FIELDS.map((name): [string, string] => [name, details[name]]);
  return Object.fromEntries([...own, ...added]);
}
