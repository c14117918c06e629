import type { EventCatalog } from './catalog.ts';
import { type ContractIssue, ContractViolationError } from './errors.ts';
import type { NewEvent } from './event.ts';
import { findJsonHazards } from './json-hazards.ts';
import { parsePayload } from './payload.ts';
import { platformCatalog } from './platform-catalog.ts';
import { findUnknownFields } from './unknown-fields.ts';

/** The largest payload that is accepted unless configured otherwise, in bytes of JSON text. */
export const defaultMaxPayloadBytes = 256 * 1024;

// Ids are keys of B-tree indexes, which refuse rows of more than 2.7 kB.
const maxIdBytes = 512;
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An event that passed: what the outbox inserts, the payload already in the text that is stored. */
export interface EncodedEvent {
  readonly eventId: string | undefined;
  readonly eventType: string;
  readonly eventVersion: number;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly tenantId: string;
  readonly actorId: string;
  readonly occurredAt: Date | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  /** JSON text of the payload as the producer gave it, which the schema accepts again. */
  readonly payloadText: string;
}

/** Against what a new event is checked. */
export interface ValidateOptions {
  /** Default: the platform's own catalogue. */
  readonly catalog?: EventCatalog | undefined;
  /** Default: {@link defaultMaxPayloadBytes}. */
  readonly maxPayloadBytes?: number | undefined;
}

/**
 * Checks an event before it is appended and encodes it. The payload text is exactly what was checked: the schema
 * is run on what the text reads back as, so no consumer with the same definition can refuse it. What the schema
 * makes of it (transforms, defaults) is not stored; each consumer's own parse makes it anew.
 * @throws ContractViolationError with every fault found. Nothing has happened then.
 */
export function validateNewEvent(event: NewEvent, options: ValidateOptions = {}): EncodedEvent {
  const { catalog = platformCatalog, maxPayloadBytes = defaultMaxPayloadBytes } = options;
  const issues: ContractIssue[] = [...findIdentityIssues(event)];
  const payload = encodePayload(event, catalog, maxPayloadBytes);
  issues.push(...payload.issues);
  if (issues.length > 0) {
    throw new ContractViolationError(
      String(event.type),
      issues,
      payload.cause ? { cause: payload.cause } : {},
    );
  }
  return {
    eventId: event.eventId,
    eventType: event.type,
    eventVersion: event.version,
    aggregateType: event.aggregateType,
    aggregateId: event.aggregateId,
    tenantId: event.tenantId,
    actorId: event.actorId,
    occurredAt: event.occurredAt,
    correlationId: event.correlationId,
    causationId: event.causationId,
    payloadText: payload.text,
  };
}

interface EncodedPayload {
  readonly text: string;
  readonly issues: readonly ContractIssue[];
  readonly cause?: unknown;
}

function encodePayload(event: NewEvent, catalog: EventCatalog, maxPayloadBytes: number): EncodedPayload {
  const definition = catalog.find(event.type, event.version);
  if (!definition) return refuse([describeUnknown(event, catalog)]);
  const misplaced =
    event.aggregateType === definition.topic.name
      ? []
      : [{ path: 'aggregateType', message: `must be "${definition.topic.name}", the topic of this event` }];
  const hazards = findJsonHazards(event.payload);
  if (hazards.length > 0) return refuse([...misplaced, ...hazards]);
  const text = JSON.stringify(event.payload);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxPayloadBytes) {
    const message = `is ${bytes} bytes of JSON, more than the ${maxPayloadBytes} allowed; store large content elsewhere and send a reference`;
    return refuse([...misplaced, { path: 'payload', message }]);
  }
  const readBack: unknown = JSON.parse(text);
  const parsed = parsePayload(definition.payload, readBack);
  if (!parsed.ok) return { ...refuse([...misplaced, ...parsed.issues]), cause: parsed.cause };
  return { text, issues: [...misplaced, ...findUnknownFields(definition.payload, readBack)] };
}

function refuse(issues: readonly ContractIssue[]): EncodedPayload {
  return { text: '', issues };
}

function describeUnknown(event: NewEvent, catalog: EventCatalog): ContractIssue {
  const newest = catalog.latest(event.type);
  return newest
    ? {
        path: 'version',
        message: `version ${event.version} is not in the catalogue; the newest is ${newest.version}`,
      }
    : { path: 'type', message: 'is not in the catalogue; define the event and add it there' };
}

function* findIdentityIssues(event: NewEvent): Generator<ContractIssue> {
  for (const path of ['aggregateId', 'tenantId', 'actorId'] as const) {
    const message = describeBadId(event[path]);
    if (message) yield { path, message };
  }
  for (const path of ['correlationId', 'causationId'] as const) {
    const message = event[path] === undefined ? undefined : describeBadId(event[path]);
    if (message) yield { path, message };
  }
  if (event.eventId !== undefined && !uuidPattern.test(event.eventId)) {
    yield { path: 'eventId', message: 'must be a UUID' };
  }
  if (event.occurredAt !== undefined && !isInstant(event.occurredAt)) {
    yield { path: 'occurredAt', message: 'must be a valid Date of the years 1 to 9999' };
  }
}

function describeBadId(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string';
  if (value.trim() === '') return 'must not be blank';
  if (Buffer.byteLength(value) > maxIdBytes) return `must not be longer than ${maxIdBytes} bytes`;
  // PostgreSQL cannot store either, and its refusal would abort the caller's transaction.
  if (value.includes('\0') || !value.isWellFormed()) return 'must not hold NUL or half a surrogate pair';
  return undefined;
}

function isInstant(value: unknown): boolean {
  if (!(value instanceof Date)) return false;
  // Years of any other length have no common text form, so consumers could not read them.
  const year = value.getUTCFullYear();
  return year >= 1 && year <= 9999;
}
