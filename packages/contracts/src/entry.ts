import { type ContractIssue, MalformedEntryError } from './errors.ts';
import { namePattern } from './names.ts';
import { parseTimestamp } from './timestamp.ts';

/** The fields of a stream entry, in the order in which they are written. Empty text where absent. */
export const entryFields = [
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

/** An event as it travels: everything is text, the payload unparsed. */
export interface EventEntry {
  readonly eventId: string;
  readonly source: string;
  readonly position: string;
  readonly eventType: string;
  readonly eventVersion: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly tenantId: string;
  readonly actorId: string;
  readonly occurredAt: string;
  readonly payload: string;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly correlationId: string;
  readonly causationId: string;
  /** Empty in live traffic. */
  readonly replayId: string;
}

type EntryField = (typeof entryFields)[number];

const maxPosition = 2n ** 63n - 1n;
const maxVersion = 2_147_483_647;

const checks: Partial<
  Record<EntryField, { readonly accepts: (text: string) => boolean; readonly must: string }>
> = {
  event_id: {
    accepts: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
    must: 'must be a UUID',
  },
  source: notBlank(),
  position: {
    accepts: (text) => /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= maxPosition,
    must: 'must be a positive 64-bit integer',
  },
  event_type: { accepts: (text) => namePattern.test(text), must: `must match ${namePattern.source}` },
  event_version: {
    accepts: (text) => /^[1-9]\d{0,9}$/.test(text) && Number(text) <= maxVersion,
    must: 'must be a positive 32-bit integer',
  },
  aggregate_type: { accepts: (text) => namePattern.test(text), must: `must match ${namePattern.source}` },
  aggregate_id: notBlank(),
  tenant_id: notBlank(),
  actor_id: notBlank(),
  occurred_at: {
    accepts: (text) => parseTimestamp(text) !== undefined,
    must: 'must be an ISO 8601 date and time with its offset',
  },
};

/**
 * Reads the fields of a stream entry. Fields it does not know are ignored; trace and correlation fields are taken
 * as they are; whether the type is known and the payload fits is not looked at here.
 * @throws MalformedEntryError naming every missing or bad field.
 */
export function parseEntry(fields: Readonly<Record<string, string>>): EventEntry {
  const issues: ContractIssue[] = [];
  const read = (field: EntryField): string => {
    const text = Object.hasOwn(fields, field) ? fields[field] : undefined;
    const check = checks[field];
    if (text === undefined) issues.push({ path: field, message: 'is missing' });
    else if (check && !check.accepts(text)) issues.push({ path: field, message: check.must });
    return text ?? '';
  };
  const entry: EventEntry = {
    eventId: read('event_id'),
    source: read('source'),
    position: read('position'),
    eventType: read('event_type'),
    eventVersion: read('event_version'),
    aggregateType: read('aggregate_type'),
    aggregateId: read('aggregate_id'),
    tenantId: read('tenant_id'),
    actorId: read('actor_id'),
    occurredAt: read('occurred_at'),
    payload: read('payload'),
    traceparent: read('traceparent'),
    tracestate: read('tracestate'),
    correlationId: read('correlation_id'),
    causationId: read('causation_id'),
    replayId: fields.replay_id ?? '',
  };
  if (issues.length > 0) throw new MalformedEntryError(entry, issues);
  return entry;
}

function notBlank(): { readonly accepts: (text: string) => boolean; readonly must: string } {
  return { accepts: (text) => text.trim() !== '', must: 'must not be blank' };
}
