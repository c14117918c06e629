import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { ENTRY_FIELDS, type EntryValues, namedFields } from '../entry.ts';
import type {
  AppendResult,
  Delivery,
  EventTransport,
  Expectation,
  FailureRecord,
  GroupReader,
  GroupRef,
  GroupStatus,
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

/** What a test works with. */
export interface Bench {
  readonly transport: EventTransport;
  readonly backdoor: Backdoor;
  readonly writer: StreamWriter;
  readonly reader: GroupReader;
  readonly observer: StreamObserver;
  /** A stream that no other test uses. */
  readonly stream: string;
  /** A group of it, which begins at the beginning. */
  readonly ref: GroupRef;
  /** Writes events behind whatever was written last, and returns their entry IDs. */
  readonly publish: (...eventIds: string[]) => Promise<string[]>;
  /** Reads what is there, without waiting. */
  readonly take: (consumer: string, count?: number) => Promise<Delivery[]>;
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
    reason: 'error',
    error: 'boom',
    failedAt: 1,
    dueAt: 2,
  };
  return { ...record, ...change };
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
export async function setUp(open: OpenTransport): Promise<Bench> {
  const { transport, backdoor, close } = await open();
  onTestFinished(close);
  const stream = `events:t_${randomBytes(6).toString('hex')}`;
  const ref: GroupRef = { stream, group: 'readers' };
  const writer = transport.writer();
  const reader = transport.reader();
  const observer = transport.observer();
  await reader.ensureGroup(ref, '0');

  return {
    transport,
    backdoor,
    writer,
    reader,
    observer,
    stream,
    ref,
    async publish(...published) {
      const { mark } = await writer.inspect(stream, SOURCE);
      const { firstId, lastId } = written(
        await writer.append(stream, batch(published, mark?.eventId ?? null, false)),
      );
      return ids(await writer.range(stream, firstId, lastId, published.length));
    },
    take: (consumer, count = 100) =>
      reader.read({ group: ref.group, consumer, streams: [stream], count, blockMs: 0 }),
    async status() {
      const found = (await observer.groups(stream)).find(({ group }) => group === ref.group);
      if (found === undefined) throw new Error(`the group ${ref.group} is missing on ${stream}`);
      return found;
    },
  };
}
