import { compareEntryIds } from '../entry-id.ts';
import type { EntryName, GroupPosition, StreamTrimmer } from '../transport.ts';
import { openSession } from './session.ts';
import { holdsEvent, type MemoryState, writersOf } from './state.ts';

/** The side of those who trim, in memory. */
export function createMemoryTrimmer(state: MemoryState): StreamTrimmer {
  const session = openSession(state, 'trimmer');

  const isAnchored = (stream: string, { id, eventId }: EntryName) => holdsEvent(state, stream, id, eventId);

  function positionOf(stream: string, name: string): GroupPosition | null {
    const group = state.streams.get(stream)?.groups.get(name);
    if (group === undefined) return null;
    const [oldestPendingId = null] = group.pending.keys();
    return { lastDeliveredId: group.lastDeliveredId, oldestPendingId };
  }

  function hasSettled(stream: string, name: string, upTo: string): boolean {
    const position = positionOf(stream, name);
    if (position === null || compareEntryIds(upTo, position.lastDeliveredId) > 0) return false;
    return position.oldestPendingId === null || compareEntryIds(position.oldestPendingId, upTo) > 0;
  }

  return {
    async bounds(stream, groups, anchor) {
      session.assertOpen();
      const entries = state.streams.get(stream)?.entries ?? [];
      const { marks, trimmedTo } = writersOf(state, stream);
      const texts = entries.flatMap(({ fields }) => Object.entries(fields).flat());
      return {
        length: entries.length,
        firstId: entries[0]?.id ?? null,
        lastId: entries.at(-1)?.id ?? null,
        bytes: texts.reduce((sum, text) => sum + text.length, 0),
        nowMs: Date.now(),
        anchored: anchor !== undefined && isAnchored(stream, anchor),
        writers: new Map(marks),
        trimmedTo,
        groups: new Map(groups.map((group) => [group, positionOf(stream, group)])),
      };
    },

    async lastOfSources(stream, { anchor, behind, below }) {
      session.assertOpen();
      if (!isAnchored(stream, anchor)) return null;
      const part = (state.streams.get(stream)?.entries ?? []).filter(
        ({ id }) => (behind === null || compareEntryIds(id, behind) > 0) && compareEntryIds(id, below) < 0,
      );
      const lastOf = new Map<string, { position: string; eventId: string }>();
      for (const { fields } of part) {
        const { source, position, event_id: eventId } = fields;
        if (source !== undefined && position !== undefined && eventId !== undefined) {
          lastOf.set(source, { position, eventId });
        }
      }
      return { upTo: part.at(-1)?.id ?? null, lastOf };
    },

    async trim(stream, { upTo, anchor, groups, bystanders }) {
      session.assertOpen();
      const known = writersOf(state, stream);
      const hasBegun = known.trimmedTo !== null && compareEntryIds(upTo, known.trimmedTo) <= 0;
      if (!hasBegun && !(isAnchored(stream, anchor) && compareEntryIds(upTo, anchor.id) <= 0)) {
        return { outcome: 'refused', reason: 'changed' };
      }
      const present = [...(state.streams.get(stream)?.groups.keys() ?? [])];
      for (const name of [...groups, ...present.filter((group) => !bystanders.includes(group))]) {
        if (!hasSettled(stream, name, upTo)) return { outcome: 'refused', reason: 'group', name };
      }
      for (const [name, { entryId }] of known.marks) {
        if (compareEntryIds(entryId, upTo) <= 0) return { outcome: 'refused', reason: 'writer', name };
      }
      if (!hasBegun) known.trimmedTo = upTo;
      const target = state.streams.get(stream);
      const kept = target?.entries.filter(({ id }) => compareEntryIds(id, upTo) > 0) ?? [];
      const removed = (target?.entries.length ?? 0) - kept.length;
      if (target !== undefined) target.entries = kept;
      return { outcome: 'trimmed', removed };
    },

    async ping() {
      session.assertOpen();
    },

    close: () => session.close(),
  };
}
