import { type RawBuilder, sql } from 'kysely';
import type { LetterAttempt } from './letter.ts';
import type { LetterState } from './selection.ts';

/** A dead letter, whole. Instants are ISO 8601 with microseconds, as exact as the database has them. */
export interface LetterRecord {
  readonly group: string;
  readonly eventId: string;
  /** Empty for live traffic. */
  readonly replayId: string;
  readonly occurredAt: string;
  readonly state: LetterState;
  readonly kind: string;
  readonly reason: string;
  readonly error: string;
  readonly stack: string;
  readonly fingerprint: string;
  readonly attempts: number;
  readonly history: readonly LetterAttempt[];
  readonly deliveries: number;
  readonly consumer: string;
  readonly firstDeliveredAt: string;
  readonly deadAt: string;
  /** In a group that holds: the earlier event of the aggregate that it waited for. */
  readonly behind: string | null;
  readonly stream: string;
  readonly streamId: string;
  /** Those of its entry. */
  readonly fields: Readonly<Record<string, string>>;
  readonly source: string;
  readonly position: string | null;
  readonly eventType: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly tenantId: string;
  /** Empty where the event has none. */
  readonly traceId: string;
  readonly redrives: number;
  readonly redrivenAt: string | null;
  /** When it was done or discarded. */
  readonly resolvedAt: string | null;
}

/** What a column of dead_letters `d` says of an instant. */
export function iso(column: string): RawBuilder<string> {
  return sql`to_char(d.${sql.ref(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The select list of a {@link LetterRecord}, from dead_letters `d`. */
export const recordColumns = sql`
  d.consumer_group as "group", d.event_id::text as "eventId", d.replay_id as "replayId",
  ${iso('occurred_at')} as "occurredAt", d.state, d.kind, d.reason, d.error, d.stack, d.fingerprint, d.attempts,
  d.history, d.deliveries, d.consumer, ${iso('first_delivered_at')} as "firstDeliveredAt", ${iso('dead_at')} as "deadAt",
  d.behind::text as behind, d.stream, d.stream_id as "streamId", d.fields, d.source, d.position::text as position,
  d.event_type as "eventType", d.aggregate_type as "aggregateType", d.aggregate_id as "aggregateId",
  d.tenant_id as "tenantId", d.trace_id as "traceId", d.redrives, ${iso('redriven_at')} as "redrivenAt",
  ${iso('resolved_at')} as "resolvedAt"`;
