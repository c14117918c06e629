/**
 * A row of the log as the publisher reads it: every column as text, in the order in which it is written to the
 * stream. The payload is never parsed.
 */
export interface LogRow {
  /** Positions stay far below 2^53, so a number is exact. */
  readonly position: number;
  readonly eventId: string;
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
  readonly slot: number;
  /** When it was inserted, in milliseconds since the epoch, by the database's clock. */
  readonly insertedAtMs: number;
}

/** The select list that {@link toLogRow} reads. `o` is the alias of outbox_events. */
export const logColumns = `
  o.position::text, o.event_id::text, o.event_type, o.event_version::text, o.aggregate_type, o.aggregate_id,
  o.tenant_id, o.actor_id, to_char(o.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  o.payload::text, coalesce(o.headers->>'traceparent', ''), coalesce(o.headers->>'tracestate', ''),
  coalesce(o.headers->>'correlation_id', ''), coalesce(o.headers->>'causation_id', ''), o.slot::text,
  (extract(epoch from o.inserted_at) * 1000)::bigint::text`;

/** Names the columns of {@link logColumns}. */
export function toLogRow(columns: readonly string[]): LogRow {
  const [
    position,
    eventId = '',
    eventType = '',
    eventVersion = '',
    aggregateType = '',
    aggregateId = '',
    tenantId = '',
    actorId = '',
    occurredAt = '',
    payload = '',
    traceparent = '',
    tracestate = '',
    correlationId = '',
    causationId = '',
    slot,
    insertedAtMs,
  ] = columns;
  return {
    position: Number(position),
    eventId,
    eventType,
    eventVersion,
    aggregateType,
    aggregateId,
    tenantId,
    actorId,
    occurredAt,
    payload,
    traceparent,
    tracestate,
    correlationId,
    causationId,
    slot: Number(slot),
    insertedAtMs: Number(insertedAtMs),
  };
}
