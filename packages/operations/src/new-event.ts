import {
  type ContractIssue,
  ContractViolationError,
  type EventCatalog,
  type NewEvent,
  platformCatalog,
  validateNewEvent,
} from '@event-bus/contracts';

const required = ['type', 'aggregateId', 'tenantId', 'actorId', 'payload'] as const;
const optional = [
  'version',
  'aggregateType',
  'eventId',
  'correlationId',
  'causationId',
  'occurredAt',
] as const;
const known: readonly string[] = [...required, ...optional];

/**
 * Makes an event of a parsed JSON document. `version` is the newest known one and `aggregateType` the event's topic
 * where the document leaves them out; `occurredAt` is ISO 8601 text.
 * @throws ContractViolationError naming every fault by its path: what `append` would refuse, and what is no field.
 */
export function readNewEvent(document: unknown, catalog: EventCatalog = platformCatalog): NewEvent {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ContractViolationError('event', [{ path: 'event', message: 'must be one JSON object' }]);
  }
  const fields = new Map<string, unknown>(Object.entries(document));
  const issues: ContractIssue[] = [...shapeIssues(fields)];
  const type = textOf(fields.get('type')) ?? '';
  const newest = catalog.latest(type);
  const occurredAt = fields.get('occurredAt');
  const event: NewEvent = {
    type,
    version: fields.has('version') ? Number(fields.get('version')) : (newest?.version ?? 1),
    aggregateType: fields.has('aggregateType')
      ? String(fields.get('aggregateType'))
      : (newest?.topic.name ?? ''),
    aggregateId: fields.get('aggregateId') as string,
    tenantId: fields.get('tenantId') as string,
    actorId: fields.get('actorId') as string,
    payload: fields.get('payload'),
    eventId: fields.get('eventId') as string | undefined,
    correlationId: fields.get('correlationId') as string | undefined,
    causationId: fields.get('causationId') as string | undefined,
    ...(typeof occurredAt === 'string' ? { occurredAt: new Date(occurredAt) } : {}),
  };
  issues.push(
    ...contractIssues(event, catalog).filter(({ path }) => !issues.some((issue) => issue.path === path)),
  );
  if (issues.length > 0) throw new ContractViolationError(type === '' ? 'event' : type, issues);
  return event;
}

function* shapeIssues(fields: ReadonlyMap<string, unknown>): Generator<ContractIssue> {
  for (const path of required) if (!fields.has(path)) yield { path, message: 'is missing' };
  for (const path of fields.keys()) {
    if (!known.includes(path)) yield { path, message: `is not a field of an event (${known.join(', ')})` };
  }
  for (const path of ['type', 'aggregateType', 'eventId', 'occurredAt']) {
    if (fields.has(path) && typeof fields.get(path) !== 'string') yield { path, message: 'must be a string' };
  }
  if (fields.has('version') && !Number.isInteger(fields.get('version'))) {
    yield { path: 'version', message: 'must be a whole number' };
  }
  const occurredAt = textOf(fields.get('occurredAt'));
  if (occurredAt !== undefined && !/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(occurredAt)) {
    yield { path: 'occurredAt', message: 'must be ISO 8601 with its offset, such as 2026-01-31T12:00:00Z' };
  }
}

function contractIssues(event: NewEvent, catalog: EventCatalog): readonly ContractIssue[] {
  try {
    validateNewEvent(event, { catalog });
    return [];
  } catch (error) {
    if (error instanceof ContractViolationError) return error.issues;
    throw error;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
