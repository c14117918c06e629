import { compareEntryIds, type StreamEntry } from '@event-bus/transport';
import { type ArchivedLine, entriesOf, loadObject } from './archived-object.ts';
import type { ObjectDescription } from './format/description.ts';
import type { ArchiveStore } from './store/store.ts';

/** Several objects read as one sequence. */
export interface Merge {
  /** The ID of the entries that come next; undefined if no object is open. */
  readonly nextId: string | undefined;
  /** Adds an object that holds entries of the range. */
  open(key: string): Promise<ObjectDescription>;
  /** Takes the entries that have `nextId`: one, unless objects disagree on what it was. */
  take(): Promise<StreamEntry[]>;
  close(): Promise<void>;
}

interface Cursor {
  readonly lines: AsyncGenerator<ArchivedLine>;
  head: ArchivedLine;
}

/** Merges objects from an entry on. Each that is open is held in memory, compressed. */
export function createMerge(store: ArchiveStore, from: string): Merge {
  const cursors = new Set<Cursor>();

  async function advance(cursor: Cursor): Promise<void> {
    const next = await cursor.lines.next();
    if (next.done === true) cursors.delete(cursor);
    else cursor.head = next.value;
  }
  const nextId = () => {
    let lowest: string | undefined;
    for (const { head } of cursors) {
      if (lowest === undefined || compareEntryIds(head.entry.id, lowest) < 0) lowest = head.entry.id;
    }
    return lowest;
  };

  return {
    get nextId() {
      return nextId();
    },
    async open(key) {
      const object = await loadObject(store, key);
      const lines = entriesOf(object);
      for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
        if (compareEntryIds(next.value.entry.id, from) < 0) continue;
        cursors.add({ lines, head: next.value });
        break;
      }
      return object.description;
    },
    async take() {
      const id = nextId();
      const found = new Map<string, StreamEntry>();
      for (const cursor of [...cursors].filter(({ head }) => head.entry.id === id)) {
        found.set(cursor.head.line, cursor.head.entry);
        await advance(cursor);
      }
      return [...found.values()];
    },
    async close() {
      for (const { lines } of cursors) await lines.return(undefined);
    },
  };
}
