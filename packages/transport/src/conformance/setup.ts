import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { type DeadLetterDetails, ENTRY_FIELDS, type EntryValues, namedFields } from '../entry.ts';
import { placeKey } from '../keys.ts';
import type {
  AppendResult,
  Delivery,
  EntryMover,
  EntryName,
  EventTransport,
  Expectation,
  FailureRecord,
  GroupReader,
  GroupRef,
  GroupStatus,
  Injection,
  StreamObserver,
  StreamWriter,
} from '../transport.ts';

/** What happens to a server behind the back of its users. */
export interface Backdoor {
  /** An entry by someone who is no writer. Without an ID it gets the next one. */
  addEntry(stream: string, fields: Readonly<Record<string, string>>, id?: string): Promise<string>;
  deleteEntry(stream: string, id: string): Promise<void>;
  /** Removes entries up to and including this ID, and says so in the stream's marks. */
  trim(stream: string, upToId: string): Promise<void>;
  /** Removes a stream with its groups, but not the marks of its writers. */
  deleteStream(stream: string): Promise<void>;
  deleteGroup(ref: GroupRef): Promise<void>;
  /** Makes entries look as if their consumer had not touched them for this long. */
  age(ref: GroupRef, consumer: string, ids: readonly string[], idleMs: number): Promise<void>;
  flushAll(): Promise<void>;
}

/** A transport that is tested, and the way around it. `close` ends both. */
export interface OpenedTransport {
  readonly transport: EventTransport;
  readonly backdoor: Backdoor;
  readonly close: () => Promise<void>;
}

/** Opens what is tested, for one test; several may be open on the same server. */
export type OpenTransport = () => Promise<OpenedTransport>;

/** What not every implementation or server version can do. */
export interface TransportFeatures {
  /** The observer reports lags. */
  readonly lag: boolean;
}

/** The places that a group reads. What holds for one holds for the other. */
export const PLACES = ['stream', 'inject stream'] as const;

/** One of the places that a group reads. */
export type Place = (typeof PLACES)[number];

/** What a test works with. */
export interface Bench {
  readonly transport: EventTransport;
  readonly backdoor: Backdoor;
  readonly writer: StreamWriter;
  readonly reader: GroupReader;
  readonly mover: EntryMover;
  readonly observer: StreamObserver;
  /** A stream that no other test uses. */
  readonly stream: string;
  /** A group of it, which begins at the beginning, and the place of it that is tested. */
  readonly ref: GroupRef;
  /** The key of this place. */
  readonly key: string;
  /** Puts events there, behind whatever was put there last, and returns their entry IDs. */
  readonly publish: (...eventIds: string[]) => Promise<string[]>;
  /** Reads what is there, without waiting. */
  readonly take: (consumer: string, count?: number) => Promise<Delivery[]>;
  /** What a delivery of an event from there looks like. */
  readonly delivery: (id: string, eventId: string, deliveries: number) => Delivery;
  readonly status: () => Promise<GroupStatus>;
}

const SOURCE = 'orders';

/** The values of an entry; everything but its identity is made up. */
export function entry(eventId: string, source = SOURCE): EntryValues {
  const given: Record<string, string> = { event_id: eventId, source, payload: `{"of":"${eventId}"}` };
  return ENTRY_FIELDS.map((name) => given[name] ?? `${name} of ${eventId}`);
}

/** The fields of the same entry, as they are read. */
export function fieldsOf(eventId: string, source = SOURCE): Record<string, string> {
  return namedFields(entry(eventId, source));
}

/** A batch of one source that expects a mark: an event ID, or none. */
export function batch(eventIds: readonly string[], after: string | null, present = after !== null) {
  const expect: Expectation = { eventId: after, present };
  return { source: SOURCE, expect, entries: eventIds.map((eventId) => entry(eventId)) };
}

/** The same of another source. */
export function batchOf(source: string, eventIds: readonly string[], after: string | null) {
  const expect: Expectation = { eventId: after, present: after !== null };
  return { source, expect, entries: eventIds.map((eventId) => entry(eventId, source)) };
}

/** What an append wrote; fails the test if it was refused. */
export function written(result: AppendResult): { readonly firstId: string; readonly lastId: string } {
  if (result.outcome === 'appended') return result;
  throw new Error(`refused: found the mark ${JSON.stringify(result.mark)}, present: ${result.present}`);
}

/** A failure of an event. */
export function failure(eventId: string, change: Partial<FailureRecord> = {}): FailureRecord {
  const record = {
    eventId,
    attempts: 1,
    final: false,
    isOwn: false,
    kind: 'error',
    reason: 'error',
    error: 'boom',
    stack: '    at handle (mail.ts:1:1)',
    history: [{ at: 1, consumer: 'one', error: 'boom' }],
    firstDeliveredAt: 1,
    failedAt: 1,
    dueAt: 2,
  };
  return { ...record, ...change };
}

/** An event that is to be injected. */
export function injection(eventId: string, change: Partial<Injection> = {}): Injection {
  return { fields: fieldsOf(eventId), replayId: '', ...change };
}

/** What a dead letter of a test says of itself, its fields in no particular order. */
export function details(originalId: string): DeadLetterDetails {
  return {
    dlq_consumer: 'one',
    dlq_dead_lettered_at: '2026-01-02T00:00:00.000Z',
    dlq_deliveries: '3',
    dlq_error: 'Error: boom',
    dlq_first_delivered_at: '2026-01-01T00:00:00.000Z',
    dlq_group: 'readers',
    dlq_original_id: originalId,
    dlq_reason: 'attempts used up',
  };
}

/** A claim of everything, in pages of ten. */
export function claiming(
  consumer: string,
  change: Partial<Parameters<GroupReader['claim']>[1]> = {},
): Parameters<GroupReader['claim']>[1] {
  return { consumer, minIdleMs: 0, count: 10, maxDeliveries: 100, ...change };
}

/** What names entries. */
export function namesOf(
  entries: readonly { readonly id: string; readonly fields: Readonly<Record<string, string>> }[],
): EntryName[] {
  return entries.map(({ id, fields }) => ({ id, eventId: fields.event_id ?? '' }));
}

/** The event IDs of entries, in their order. */
export function eventIds(
  entries: readonly { readonly fields: Readonly<Record<string, string>> }[],
): string[] {
  return entries.map(({ fields }) => fields.event_id ?? '');
}

/** The IDs of entries, in their order. */
export function ids(entries: readonly { readonly id: string }[]): string[] {
  return entries.map(({ id }) => id);
}

/** Opens a transport for the running test and closes it when the test has ended. */
export async function setUp(open: OpenTransport, place: Place = 'stream'): Promise<Bench> {
  const { transport, backdoor, close } = await open();
  onTestFinished(close);
  const stream = `events:t_${randomBytes(6).toString('hex')}`;
  const from = place === 'stream' ? { stream } : { stream, injected: true as const };
  const ref: GroupRef = { ...from, group: 'readers' };
  const writer = transport.writer();
  const reader = transport.reader();
  const mover = transport.mover();
  const observer = transport.observer();
  await reader.ensureGroup(ref, '0');

  return {
    transport,
    backdoor,
    writer,
    reader,
    mover,
    observer,
    stream,
    ref,
    key: placeKey(ref),
    async publish(...published) {
      if (place === 'inject stream') {
        return mover.inject(
          ref,
          published.map((eventId) => injection(eventId)),
        );
      }
      const { mark } = await writer.inspect(stream, SOURCE);
      const { firstId, lastId } = written(
        await writer.append(stream, batch(published, mark?.eventId ?? null, false)),
      );
      return ids(await writer.range(stream, firstId, lastId, published.length));
    },
    take: (consumer, count = 100) =>
      reader.read({ group: ref.group, consumer, from: [from], count, blockMs: 0 }),
    delivery: (id, eventId, deliveries) => ({
      id,
      ...from,
      fields: { ...fieldsOf(eventId), ...(place === 'inject stream' && { replay_id: '' }) },
      deliveries,
    }),
    async status() {
      const found =
        place === 'stream'
          ? (await observer.groups(stream)).find(({ group }) => group === ref.group)
          : await observer.injected(stream, ref.group);
      if (found === undefined || found === null) {
        throw new Error(`the group ${ref.group} is missing on ${placeKey(ref)}`);
      }
      return found;
    },
  };
}
