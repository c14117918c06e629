import type { EventEntry } from './entry.ts';
import {
  MalformedEntryError,
  MalformedPayloadError,
  PayloadInvalidError,
  UnknownEventTypeError,
  UnknownEventVersionError,
  UpcastError,
} from './errors.ts';
import type { ReceivedEvent } from './event.ts';
import type { EventHistory } from './event-history.ts';
import { describeThrown, parsePayload } from './payload.ts';
import { parseTimestamp } from './timestamp.ts';

/**
 * Turns an entry into an event of the newest version in `history`, the versions of its type (undefined: none known).
 * @throws UndecodableEventError
 */
export function decodeEntry(history: EventHistory | undefined, entry: EventEntry): ReceivedEvent {
  if (!history) throw new UnknownEventTypeError(entry);
  const occurredAt = parseTimestamp(entry.occurredAt);
  if (!occurredAt) {
    throw new MalformedEntryError(entry, [{ path: 'occurred_at', message: 'is not a date and time' }]);
  }
  if (entry.aggregateType !== history.topic.name) {
    const message = `is "${entry.aggregateType}", but this event belongs to topic "${history.topic.name}"`;
    throw new MalformedEntryError(entry, [{ path: 'aggregate_type', message }]);
  }
  const payload = parsePayload(history.newest.payload, upcastPayload(history, entry));
  if (!payload.ok) throw new PayloadInvalidError(entry, payload.issues, { cause: payload.cause });
  return {
    id: entry.eventId,
    source: entry.source,
    position: BigInt(entry.position),
    type: history.type,
    version: history.newest.version,
    aggregateType: entry.aggregateType,
    aggregateId: entry.aggregateId,
    tenantId: entry.tenantId,
    actorId: entry.actorId,
    occurredAt,
    occurredAtText: entry.occurredAt,
    payload: payload.value,
    ...(entry.traceparent && { traceparent: entry.traceparent }),
    ...(entry.tracestate && { tracestate: entry.tracestate }),
    ...(entry.correlationId && { correlationId: entry.correlationId }),
    ...(entry.causationId && { causationId: entry.causationId }),
    ...(entry.replayId && { replay: { id: entry.replayId } }),
  };
}

function upcastPayload(history: EventHistory, entry: EventEntry): unknown {
  const newest = history.newest.version;
  const version = Number(entry.eventVersion);
  if (version > newest) throw new UnknownEventVersionError(entry, newest);
  let payload = parseJson(entry);
  for (let from = version; from < newest; from += 1) {
    const upcast = history.steps.get(from);
    if (!upcast) throw new UnknownEventVersionError(entry, newest);
    try {
      payload = upcast(payload);
    } catch (cause) {
      throw new UpcastError(entry, from, describeThrown(cause), { cause });
    }
  }
  return payload;
}

function parseJson(entry: EventEntry): unknown {
  try {
    return JSON.parse(entry.payload);
  } catch (cause) {
    throw new MalformedPayloadError(entry, { cause });
  }
}
