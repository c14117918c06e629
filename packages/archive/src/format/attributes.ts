import type { EntryField } from '@event-bus/transport';

/** Which attribute of a CloudEvent carries a field, and which values it can carry. The payload is its data. */
export interface AttributeMapping {
  readonly field: Exclude<EntryField, 'payload'>;
  readonly attribute: string;
  readonly carries: (value: string) => boolean;
}

// What a string attribute of a CloudEvent may not hold.
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const URI_REFERENCE = /^(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9a-f]{2})+$/i;
const RFC_3339 =
  /^\d{4}-(?:0[1-9]|1[0-2])-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

function isText(value: string): boolean {
  return !UNPRINTABLE.test(value);
}

/** Strict to the day: a table of which one line cannot be read as a time is unreadable as a whole. */
function isTime(value: string): boolean {
  const day = RFC_3339.exec(value)?.[1];
  if (day === undefined) return false;
  return new Date(`${value.slice(0, 10)}T00:00:00Z`).getUTCDate() === Number(day);
}

/** In the order in which they are written. */
export const ATTRIBUTES: readonly AttributeMapping[] = [
  { field: 'event_id', attribute: 'id', carries: isText },
  { field: 'source', attribute: 'source', carries: (value) => URI_REFERENCE.test(value) },
  { field: 'event_type', attribute: 'type', carries: isText },
  { field: 'aggregate_id', attribute: 'subject', carries: isText },
  { field: 'occurred_at', attribute: 'time', carries: isTime },
  { field: 'event_version', attribute: 'eventversion', carries: isText },
  { field: 'position', attribute: 'position', carries: isText },
  { field: 'aggregate_type', attribute: 'aggregatetype', carries: isText },
  { field: 'tenant_id', attribute: 'tenantid', carries: isText },
  { field: 'actor_id', attribute: 'actorid', carries: isText },
  { field: 'traceparent', attribute: 'traceparent', carries: isText },
  { field: 'tracestate', attribute: 'tracestate', carries: isText },
  { field: 'correlation_id', attribute: 'correlationid', carries: isText },
  { field: 'causation_id', attribute: 'causationid', carries: isText },
];

/** What an event must have according to CloudEvents, where the entry has nothing that would do. */
export function substituteFor(attribute: string, stream: string, entryId: string): string | undefined {
  if (attribute === 'id') return entryId;
  if (attribute === 'source') return encodeURIComponent(stream);
  return attribute === 'type' ? 'unknown' : undefined;
}

/** Text in which nothing unprintable is left: JSON of the same meaning. */
export function printable(json: string): string {
  return json.replaceAll(new RegExp(UNPRINTABLE, 'gu'), (characters) =>
    Array.from(
      { length: characters.length },
      (_, index) => `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
