import { randomUUID } from 'node:crypto';
import { type EncodedEvent, type EventCatalog, type NewEvent, validateNewEvent } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import { currentTraceHeaders, inSpan, SpanKind } from '@event-bus/telemetry';
import {
  attributeNames,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import { sql, type Transaction } from 'kysely';
import { TooManyAggregatesError } from './errors.ts';

/** Most aggregates that one `append` locks: locks live in a table of fixed size that all transactions share. */
export const maxAggregatesPerAppend = 256;

/** How an outbox checks what it is given. */
export interface OutboxOptions {
  /** Default: the platform's catalogue. */
  readonly catalog?: EventCatalog;
  /** Largest payload, in bytes of JSON text. Default 256 KiB; the database holds its own limit as well. */
  readonly maxPayloadBytes?: number;
}

/** What was appended. It is published if, and only if, the transaction commits. */
export interface AppendedEvent {
  readonly eventId: string;
}

/** Where a service writes its events, in the transaction of its own data. */
export interface Outbox {
  /**
   * Appends events, in the order given. Writers of the same aggregate wait for each other until commit, so that
   * events are published in commit order; writers of different aggregates never wait. Two transactions that
   * append to the same aggregates in opposite order can deadlock, as with any row lock.
   * @throws ContractViolationError an event does not fit its contract; the transaction can go on.
   * @throws TooManyAggregatesError more than {@link maxAggregatesPerAppend} aggregates in one call.
   */
  append(trx: Transaction<BusDatabase>, ...events: readonly NewEvent[]): Promise<AppendedEvent[]>;
  /**
   * Appends any number of events without locking their aggregates: for imports. Nobody waits for it. Order per
   * aggregate is kept within the call; towards other transactions on the same aggregates there is none.
   * @throws ContractViolationError an event does not fit its contract; nothing was appended.
   */
  appendBulk(trx: Transaction<BusDatabase>, events: readonly NewEvent[]): Promise<AppendedEvent[]>;
}

interface Headers {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const bulkChunk = 1_000;

/** Creates an outbox. It holds no connection: every call is given the caller's transaction. */
export function createOutbox(options: OutboxOptions = {}): Outbox {
  const encode = (event: NewEvent): EncodedEvent => validateNewEvent(event, options);
  return {
    append: async (trx, ...events) => {
      const encoded = events.map(encode);
      return traced(encoded, async (headers) => {
        await lockAggregates(trx, encoded);
        return insert(trx, encoded, headers);
      });
    },
    appendBulk: async (trx, events) => {
      const encoded = events.map(encode);
      return traced(encoded, async (headers) => {
        const appended: AppendedEvent[] = [];
        for (let start = 0; start < encoded.length; start += bulkChunk) {
          appended.push(...(await insert(trx, encoded.slice(start, start + bulkChunk), headers)));
        }
        return appended;
      });
    },
  };
}

async function traced(
  events: readonly EncodedEvent[],
  append: (headers: Headers) => Promise<AppendedEvent[]>,
): Promise<AppendedEvent[]> {
  const first = events[0];
  if (first === undefined) return [];
  const attributes = {
    [attributeNames.messagingSystem]: messagingSystem,
    [attributeNames.operationType]: operationTypes.create,
    [attributeNames.operationName]: operationNames.append,
    [attributeNames.destinationName]: first.aggregateType,
    [attributeNames.eventType]: first.eventType,
    [attributeNames.tenantId]: first.tenantId,
    [attributeNames.batchMessageCount]: events.length,
  };
  return inSpan(
    spanName('append', first.aggregateType),
    { kind: SpanKind.PRODUCER, attributes },
    async (span) => {
      const appended = await append(currentTraceHeaders());
      if (appended.length === 1 && appended[0])
        span.setAttribute(attributeNames.messageId, appended[0].eventId);
      return appended;
    },
  );
}

async function lockAggregates(trx: Transaction<BusDatabase>, events: readonly EncodedEvent[]): Promise<void> {
  const aggregates = new Map(events.map((event) => [`${event.aggregateType}:${event.aggregateId}`, event]));
  if (aggregates.size > maxAggregatesPerAppend) {
    throw new TooManyAggregatesError(aggregates.size, maxAggregatesPerAppend);
  }
  // One order for all, so that two calls on the same aggregates cannot deadlock.
  const ordered = [...aggregates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, event]) => event);
  await sql`
    select outbox_lock(a.type, a.id)
    from unnest(${ordered.map((e) => e.aggregateType)}::text[], ${ordered.map((e) => e.aggregateId)}::text[])
      with ordinality as a(type, id, n)
    order by a.n`.execute(trx);
}

// The row trigger draws positions in the order in which unnest yields the rows.
async function insert(
  trx: Transaction<BusDatabase>,
  events: readonly EncodedEvent[],
  headers: Headers,
): Promise<AppendedEvent[]> {
  const eventIds = events.map((event) => event.eventId ?? randomUUID());
  await sql`
    insert into outbox_events (
      event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at)
    select e.event_id, e.aggregate_type, e.aggregate_id, e.event_type, e.event_version, e.tenant_id, e.actor_id,
      e.payload, e.headers, coalesce(e.occurred_at, now())
    from unnest(
      ${eventIds}::uuid[],
      ${events.map((e) => e.aggregateType)}::text[],
      ${events.map((e) => e.aggregateId)}::text[],
      ${events.map((e) => e.eventType)}::text[],
      ${events.map((e) => e.eventVersion)}::integer[],
      ${events.map((e) => e.tenantId)}::text[],
      ${events.map((e) => e.actorId)}::text[],
      ${events.map((e) => e.payloadText)}::json[],
      ${events.map((e) => JSON.stringify(storedHeaders(e, headers)))}::jsonb[],
      ${events.map((e) => e.occurredAt?.toISOString() ?? null)}::timestamptz[]
    ) as e(event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at)
  `.execute(trx);
  return eventIds.map((eventId) => ({ eventId }));
}

function storedHeaders(event: EncodedEvent, headers: Headers): Record<string, string> {
  return {
    ...headers,
    ...(event.correlationId === undefined ? {} : { correlation_id: event.correlationId }),
    ...(event.causationId === undefined ? {} : { causation_id: event.causationId }),
  };
}
