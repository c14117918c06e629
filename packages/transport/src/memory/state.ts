import type { StreamEntry } from '../entry.ts';
import { compareEntryIds, nextEntryId } from '../entry-id.ts';
import { GroupMissingError } from '../errors.ts';
import { derivedKeys, failurePrefix, placeKey } from '../keys.ts';
import type { FailureRecord, GroupRef, WriterMark } from '../transport.ts';

/** An entry that was handed out and not acknowledged. */
export interface Pending {
  consumer: string;
  deliveredAt: number;
  deliveries: number;
}

/** What a stream knows of one group. */
export interface MemoryGroup {
  lastDeliveredId: string;
  /** By entry ID, in the order of the IDs: entries are delivered in that order and keep their place. */
  readonly pending: Map<string, Pending>;
  /** When each consumer was last heard of. */
  readonly consumers: Map<string, number>;
}

/** A stream with its groups; they go together. */
export interface MemoryStream {
  entries: StreamEntry[];
  lastId: string;
  readonly groups: Map<string, MemoryGroup>;
}

/** What stands beside a stream and outlives it. */
export interface MemoryWriters {
  readonly marks: Map<string, WriterMark>;
  trimmedTo: string | null;
}

/** How far a replay is injected. */
export interface MemoryReplay {
  readonly token: string;
  readonly at: string;
  readonly lastId: string;
}

/** Everything a broker holds, and who waits for it to change. */
export interface MemoryState {
  readonly streams: Map<string, MemoryStream>;
  readonly writers: Map<string, MemoryWriters>;
  /** By the key of the group's failures. */
  readonly failures: Map<string, Map<string, FailureRecord>>;
  /** By the key of the stream's replays and the replay. */
  readonly replays: Map<string, MemoryReplay>;
  readonly waiting: Set<() => void>;
}

/** An empty broker's state. */
export function createState(): MemoryState {
  return {
    streams: new Map(),
    writers: new Map(),
    failures: new Map(),
    replays: new Map(),
    waiting: new Set(),
  };
}

function getOrCreate<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
}

/** The stream, created if it is missing. */
export function streamOf(state: MemoryState, stream: string): MemoryStream {
  return getOrCreate(state.streams, stream, () => ({ entries: [], lastId: '0-0', groups: new Map() }));
}

/** The marks of a stream, created if they are missing. */
export function writersOf(state: MemoryState, stream: string): MemoryWriters {
  return getOrCreate(state.writers, stream, () => ({ marks: new Map(), trimmedTo: null }));
}

/** The failures of one place of a group. */
export interface MemoryFailures {
  get(id: string): FailureRecord | undefined;
  set(id: string, record: FailureRecord): void;
  delete(id: string): void;
  values(): FailureRecord[];
}

/** The failures of one place of a group, created if they are missing. */
export function failuresOf(state: MemoryState, ref: GroupRef): MemoryFailures {
  const hash = getOrCreate(
    state.failures,
    derivedKeys.failures(ref.stream, ref.group),
    () => new Map<string, FailureRecord>(),
  );
  const prefix = failurePrefix(ref);
  return {
    get: (id) => hash.get(prefix + id),
    set: (id, record) => void hash.set(prefix + id, record),
    delete: (id) => void hash.delete(prefix + id),
    values: () =>
      [...hash].filter(([id]) => id.startsWith('inject:') === (prefix !== '')).map(([, record]) => record),
  };
}

/** @throws GroupMissingError */
export function groupOf(state: MemoryState, ref: GroupRef): MemoryGroup {
  const found = state.streams.get(placeKey(ref))?.groups.get(ref.group);
  if (found === undefined) throw new GroupMissingError(ref.group, [placeKey(ref)]);
  return found;
}

/** Removes an entry. Where it is pending, it stays pending. Returns whether it was there. */
export function removeEntry(state: MemoryState, stream: string, id: string): boolean {
  const target = state.streams.get(stream);
  const at = target?.entries.findIndex((entry) => entry.id === id) ?? -1;
  if (at >= 0) target?.entries.splice(at, 1);
  return at >= 0;
}

/** Whether this entry of this event stands in the stream. */
export function holdsEvent(state: MemoryState, stream: string, id: string, eventId: string): boolean {
  const entry = entryOf(state, stream, id);
  return entry !== undefined && (entry.fields.event_id ?? '') === eventId;
}

/** The entry of this ID. */
export function entryOf(state: MemoryState, stream: string, id: string): StreamEntry | undefined {
  return state.streams.get(stream)?.entries.find((entry) => entry.id === id);
}

/** Adds an entry and wakes whoever waits for one. Without an ID it gets the next one. */
export function addEntry(
  state: MemoryState,
  stream: string,
  fields: Readonly<Record<string, string>>,
  id?: string,
): string {
  const target = streamOf(state, stream);
  const chosen = id ?? nextEntryId(target.lastId, Date.now());
  if (compareEntryIds(chosen, target.lastId) <= 0) {
    throw new RangeError(`entry ID ${chosen} is not above ${target.lastId}, the last one of ${stream}`);
  }
  target.entries.push({ id: chosen, fields: { ...fields } });
  target.lastId = chosen;
  wake(state);
  return chosen;
}

/** Makes everyone who waits look again. */
export function wake(state: MemoryState): void {
  const woken = [...state.waiting];
  state.waiting.clear();
  for (const look of woken) look();
}

/** Entries with `from <= id <= to`, at most `count`; `-` and `+` are the ends, `(` before an ID leaves it out. */
export function rangeOf(
  state: MemoryState,
  stream: string,
  from: string,
  to: string,
  count: number,
): StreamEntry[] {
  const entries = state.streams.get(stream)?.entries ?? [];
  const isWithin = ({ id }: StreamEntry) =>
    (from === '-' ||
      (from.startsWith('(') ? compareEntryIds(id, from.slice(1)) > 0 : compareEntryIds(id, from) >= 0)) &&
    (to === '+' || compareEntryIds(id, to) <= 0);
  return entries.filter(isWithin).slice(0, count);
}
