import type { LogRow, ParkedEvent, Range } from '@event-bus/outbox/log';
import type { AppendResult, EntryValues } from '@event-bus/transport';
import type { Reading } from './log-reader.ts';
import type { Parking } from './parking.ts';

/** What became of a part that was sent. A rejection is kept, not thrown: the reply is looked at when its turn comes. */
export type Reply = { readonly result: AppendResult } | { readonly error: unknown };

/** A batch's rows for one stream. */
export interface Part {
  readonly stream: string;
  rows: readonly LogRow[];
  /** The reply to come, once it was sent. */
  reply?: Promise<Reply>;
  /** The ID of its last entry, once it is known to be in the stream. */
  lastId?: string | undefined;
}

/** Rows that are published together; the cursor moves when all of them are written or parked. */
export interface Batch {
  readonly parts: Part[];
  readonly position: number;
  readonly noted: readonly Range[];
  readonly closed: readonly Range[];
  readonly parked: ParkedEvent[];
  /** Positions that were parked and now are in a part. */
  unparked: readonly number[];
  /** Milliseconds since the epoch. */
  readonly formedAt: number;
}

/** The event ID that a source's mark shows after this part. */
export function lastEventId(part: Part): string | null {
  return part.rows.at(-1)?.eventId ?? null;
}

/** How rows become entries of streams. */
export interface BatchOptions {
  readonly streamOf: (row: LogRow) => string;
  readonly parking: Parking;
  readonly maxEntryBytes: number;
  /** The rows were parked and are tried again. */
  readonly retried?: boolean;
}

/** Sorts what was read by stream, and parks what cannot be written with all that must wait behind it. */
export function formBatch(reading: Reading, options: BatchOptions): Batch {
  const { parking } = options;
  const parked: ParkedEvent[] = [];
  const parts = new Map<string, { stream: string; rows: LogRow[] }>();
  for (const row of reading.rows) {
    const waits = parking.behind(row);
    if (waits !== undefined) parked.push(waits);
    else if (isLarger(row, options.maxEntryBytes)) {
      parked.push(
        parking.park(
          row,
          `too large: the entry has ${entryBytes(row)} bytes, more than MAX_ENTRY_BYTES (${options.maxEntryBytes})`,
        ),
      );
    } else {
      const stream = options.streamOf(row);
      const part = parts.get(stream) ?? { stream, rows: [] };
      part.rows.push(row);
      parts.set(stream, part);
    }
  }
  const { position, noted, closed } = reading;
  const sent = [...parts.values()];
  const unparked =
    options.retried === true ? sent.flatMap(({ rows }) => rows.map((row) => row.position)) : [];
  return { parts: sent, position, noted, closed, parked, unparked, formedAt: Date.now() };
}

/** The values of a row's stream entry. */
export function entryOf(row: LogRow, source: string): EntryValues {
  return [
    row.eventId,
    source,
    String(row.position),
    row.eventType,
    row.eventVersion,
    row.aggregateType,
    row.aggregateId,
    row.tenantId,
    row.actorId,
    row.occurredAt,
    row.payload,
    row.traceparent,
    row.tracestate,
    row.correlationId,
    row.causationId,
  ];
}

/** Whether the entry has more than so many bytes. A character has at most three, so few need to be counted out. */
function isLarger(row: LogRow, maxBytes: number): boolean {
  const characters = entryOf(row, '').reduce((sum, value) => sum + value.length, 0);
  return 3 * characters > maxBytes && entryBytes(row) > maxBytes;
}

function entryBytes(row: LogRow): number {
  return entryOf(row, '').reduce((sum, value) => sum + Buffer.byteLength(value), 0);
}
