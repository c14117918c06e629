import { compareEntryIds } from '../entry-id.ts';
import { TransportClosedError } from '../errors.ts';
import { placeKey } from '../keys.ts';
import type { EventTransport, GroupRef } from '../transport.ts';
import { createMemoryMover } from './mover.ts';
import { createMemoryObserver } from './observer.ts';
import { createMemoryReader } from './reader.ts';
import { addEntry, createState, groupOf, wake, writersOf } from './state.ts';
import { createMemoryTrimmer } from './trimmer.ts';
import { createMemoryWriter } from './writer.ts';

/** A broker in this process, with the semantics of Redis Streams. What it holds goes with the process. */
export interface MemoryBroker {
  /** A connection of its own: any number may be open, as from several processes. */
  transport(): EventTransport;
  /** An entry by someone who is no writer: no mark, any fields. The ID must be above the last one. */
  addEntry(stream: string, fields: Readonly<Record<string, string>>, id?: string): string;
  /** Removes one entry. Where it is pending, it stays pending. */
  deleteEntry(stream: string, id: string): void;
  /** Removes entries up to and including this ID, and says so in the stream's marks. */
  trim(stream: string, upToId: string): void;
  /** Removes a stream with its groups; the writers' marks stay, as in Redis. */
  deleteStream(stream: string): void;
  deleteGroup(ref: GroupRef): void;
  /** Lets pending entries look as if nobody had touched them for this long. */
  age(ref: GroupRef, ids: readonly string[], idleMs: number): void;
  /** Forgets everything. */
  flushAll(): void;
}

/** Creates an empty broker. */
export function createMemoryBroker(): MemoryBroker {
  const state = createState();

  function keepEntries(stream: string, isKept: (id: string) => boolean): void {
    const target = state.streams.get(stream);
    if (target !== undefined) target.entries = target.entries.filter(({ id }) => isKept(id));
  }

  function transport(): EventTransport {
    const opened = new Set<{ close(): Promise<void> }>();
    let closed = false;
    function open<Part extends { close(): Promise<void> }>(create: () => Part): Part {
      if (closed) throw new TransportClosedError('the transport was closed by this process');
      const part = create();
      opened.add(part);
      return part;
    }
    return {
      writer: () => open(() => createMemoryWriter(state)),
      reader: () => open(() => createMemoryReader(state)),
      mover: () => open(() => createMemoryMover(state)),
      observer: () => open(() => createMemoryObserver(state)),
      trimmer: () => open(() => createMemoryTrimmer(state)),
      async close() {
        closed = true;
        await Promise.all([...opened].map((part) => part.close()));
      },
    };
  }

  return {
    transport,
    addEntry: (stream, fields, id) => addEntry(state, stream, fields, id),
    deleteEntry: (stream, deletedId) => keepEntries(stream, (id) => id !== deletedId),
    trim(stream, upToId) {
      keepEntries(stream, (id) => compareEntryIds(id, upToId) > 0);
      writersOf(state, stream).trimmedTo = upToId;
    },
    deleteStream(stream) {
      state.streams.delete(stream);
      wake(state);
    },
    deleteGroup(ref) {
      state.streams.get(placeKey(ref))?.groups.delete(ref.group);
      wake(state);
    },
    age(ref, ids, idleMs) {
      const group = groupOf(state, ref);
      for (const id of ids) {
        const pending = group.pending.get(id);
        if (pending !== undefined) pending.deliveredAt = Date.now() - idleMs;
      }
    },
    flushAll() {
      state.streams.clear();
      state.writers.clear();
      state.failures.clear();
      state.replays.clear();
      wake(state);
    },
  };
}
