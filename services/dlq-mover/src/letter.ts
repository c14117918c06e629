import { createHash } from 'node:crypto';
import { MalformedEntryError, parseEntry } from '@event-bus/contracts';
import type { Letter } from '@event-bus/inbox';
import { fingerprint } from '@event-bus/operations';
import {
  DEAD_LETTER_FIELDS,
  type DeadLetterDetails,
  type GroupRef,
  HANDED_BACK,
  type PendingEntry,
} from '@event-bus/transport';

/** An entry that is to be given up, with its fields. */
export type GivenUpEntry = PendingEntry & { readonly fields: Readonly<Record<string, string>> };

/**
 * What is known of why an entry is given up. `isUnfit`: the inbox cannot hold the values that the entry itself gives as
 * its key.
 */
export function letterOf(ref: GroupRef, entry: GivenUpEntry, now: number, isUnfit = false): Letter {
  const { fields, deliveries } = entry;
  const failure = entry.failure?.final === true ? entry.failure : undefined;
  const kind = failure?.kind ?? 'crashed';
  const reason =
    failure?.reason ??
    `given up after ${deliveries} deliveries: its process died each time while it was in hand`;
  const error = entry.failure?.error ?? '';
  const stack = entry.failure?.stack ?? '';
  return {
    ...keyOf(ref, entry, isUnfit),
    group: ref.group,
    stream: ref.stream,
    streamId: entry.id,
    injected: ref.injected === true,
    kind,
    reason,
    error,
    stack,
    fingerprint: fingerprint({ kind, error, stack }),
    attempts: entry.failure?.attempts ?? 0,
    history: entry.failure?.history ?? [],
    deliveries,
    consumer: consumerOf(entry),
    firstDeliveredAt: entry.failure?.firstDeliveredAt ?? Math.max(0, now - entry.idleMs),
    fields,
  };
}

/**
 * What names the event in the inbox. A foreign entry may have no proper ID or time: it gets an ID made of where it stands
 * and what it holds, the same each time, and the time at which it entered the stream.
 */
function keyOf(
  { stream }: GroupRef,
  { id, fields }: GivenUpEntry,
  isUnfit: boolean,
): { readonly eventId: string; readonly replayId: string; readonly occurredAt: string } {
  const { event_id: eventId = '', occurred_at: occurredAt = '', replay_id: replayId = '' } = fields;
  const faulty = faultyFields(fields);
  const isProper = !isUnfit && !faulty.has('event_id') && !faulty.has('occurred_at');
  if (isProper) return { eventId, replayId, occurredAt };
  return { eventId: uuidOf([stream, id, JSON.stringify(fields)]), replayId: '', occurredAt: enteredAt(id) };
}

function faultyFields(fields: Readonly<Record<string, string>>): Set<string> {
  try {
    parseEntry(fields);
    return new Set();
  } catch (error) {
    if (error instanceof MalformedEntryError) return new Set(error.issues.map(({ path }) => path));
    throw error;
  }
}

function uuidOf(parts: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  // Version 8: made by a rule of one's own (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function enteredAt(id: string): string {
  const ms = Number(id.split('-')[0]);
  return new Date(ms <= 8.64e15 ? ms : 0).toISOString();
}

/** Who had it last: what was handed back is nobody's. */
function consumerOf({ consumer, failure }: PendingEntry): string {
  return consumer === HANDED_BACK ? (failure?.history.at(-1)?.consumer ?? '') : consumer;
}

/**
 * The entry that a copy is of, with what the copy tells of why it was given up: all but the stack and the single
 * attempts. `undefined` if it is no copy of an entry of this group.
 */
export function entryOfCopy(
  { group }: GroupRef,
  fields: Readonly<Record<string, string>>,
  now: number,
): GivenUpEntry | undefined {
  const { dlq_original_id: id = '', dlq_reason: reason = '', dlq_error: error = '' } = fields;
  if (fields.dlq_group !== group || !/^\d+-\d+$/.test(id)) return undefined;
  const own = Object.entries(fields).filter(([name]) => !isDetail(name));
  const failure = {
    attempts: 0,
    final: true,
    isOwn: false,
    kind: 'unknown',
    reason,
    error,
    stack: '',
    history: [],
  };
  const firstDeliveredAt = Date.parse(fields.dlq_first_delivered_at ?? '') || now;
  return {
    id,
    consumer: fields.dlq_consumer ?? '',
    idleMs: 0,
    deliveries: Number.parseInt(fields.dlq_deliveries ?? '', 10) || 0,
    failure: { ...failure, eventId: fields.event_id ?? '', firstDeliveredAt, failedAt: now, dueAt: 0 },
    fields: Object.fromEntries(own),
  };
}

function isDetail(name: string): boolean {
  return DEAD_LETTER_FIELDS.some((detail) => detail === name);
}

/** What a dead letter shows in its stream besides the fields of its entry. */
export function detailsOf(letter: {
  readonly group: string;
  readonly streamId: string;
  readonly reason: string;
  readonly error: string;
  readonly deliveries: number;
  readonly consumer: string;
  readonly firstDeliveredAt: Date;
  readonly deadAt: Date;
}): DeadLetterDetails {
  return {
    dlq_original_id: letter.streamId,
    dlq_group: letter.group,
    dlq_reason: letter.reason,
    dlq_error: letter.error,
    dlq_deliveries: String(letter.deliveries),
    dlq_first_delivered_at: letter.firstDeliveredAt.toISOString(),
    dlq_dead_lettered_at: letter.deadAt.toISOString(),
    dlq_consumer: letter.consumer,
  };
}
