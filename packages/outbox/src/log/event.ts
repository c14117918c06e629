import type { Pool } from 'pg';

/** An event as it stands in the log, without its payload. */
export interface EventRecord {
  readonly position: number;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly eventType: string;
  readonly eventVersion: number;
  readonly tenantId: string;
  readonly actorId: string;
  readonly payloadBytes: number;
  /** Empty where the event was appended without a trace. */
  readonly traceparent: string;
  readonly occurredAt: Date;
  readonly insertedAt: Date;
  readonly status: 'pending' | 'published' | 'parked';
  /** Why it is parked. */
  readonly reason: string | null;
}

/** The event with this ID, or `undefined` if the log does not hold it. */
export async function readEvent(pool: Pool, eventId: string): Promise<EventRecord | undefined> {
  const { rows } = await pool.query<Omit<EventRecord, 'position'> & { position: string }>(
    `select e.position::text, e.aggregate_type as "aggregateType", e.aggregate_id as "aggregateId",
       e.event_type as "eventType", e.event_version as "eventVersion", e.tenant_id as "tenantId",
       e.actor_id as "actorId", octet_length(e.payload::text) as "payloadBytes",
       coalesce(e.headers->>'traceparent', '') as traceparent, e.occurred_at as "occurredAt",
       e.inserted_at as "insertedAt", s.status, s.reason
     from outbox_events e join outbox_status s on s.position = e.position and s.event_id = e.event_id
     where e.event_id = $1 limit 1`,
    [eventId],
  );
  const [row] = rows;
  return row === undefined ? undefined : { ...row, position: Number(row.position) };
}

/** The batch by which an event was written to its stream. */
export interface EventBatch {
  readonly stream: string;
  readonly number: number;
  /** Its event's entry has an ID above the first, which is `null` for the first batch of a stream, and up to the last. */
  readonly entryAfter: string | null;
  readonly entryUpTo: string;
  readonly events: number;
  readonly writtenAt: Date;
}

/** The recorded batch that holds a position, or `undefined` if there is none. */
export async function readBatchOf(pool: Pool, position: number): Promise<EventBatch | undefined> {
  const { rows } = await pool.query<Omit<EventBatch, 'number'> & { number: string }>(
    `select b.stream, b.number::text, b.last_id as "entryUpTo", b.events, b.written_at as "writtenAt",
       (select last_id from outbox_batches before where before.stream = b.stream and before.number < b.number
        order by before.number desc limit 1) as "entryAfter"
     from outbox_batches b where range_merge(b.positions) @> $1::bigint and b.positions @> $1::bigint limit 1`,
    [position],
  );
  const [row] = rows;
  return row === undefined ? undefined : { ...row, number: Number(row.number) };
}
