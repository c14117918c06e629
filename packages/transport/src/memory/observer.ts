import { boundedIdleMs, compareEntryIds } from '../entry-id.ts';
import { placeKey } from '../keys.ts';
import type { GroupRef, GroupStatus, PendingEntry, StreamObserver } from '../transport.ts';
import { openSession } from './session.ts';
import {
  entryOf,
  failuresOf,
  groupOf,
  type MemoryGroup,
  type MemoryState,
  type MemoryStream,
  rangeOf,
} from './state.ts';

const FOLLOW_COUNT = 1000;

function groupStatus(
  state: MemoryState,
  ref: GroupRef,
  { entries }: MemoryStream,
  { pending, consumers, lastDeliveredId }: MemoryGroup,
): GroupStatus {
  const now = Date.now();
  const held = [...pending];
  const oldest = held[0];
  return {
    ...ref,
    pending: pending.size,
    lag: entries.filter(({ id }) => compareEntryIds(id, lastDeliveredId) > 0).length,
    lastDeliveredId,
    oldestPendingId: oldest?.[0] ?? null,
    oldestPendingIdleMs:
      oldest === undefined ? null : boundedIdleMs(oldest[0], now - oldest[1].deliveredAt, now),
    consumers: [...consumers].map(([consumer, seenAt]) => ({
      name: consumer,
      pending: held.filter(([, entry]) => entry.consumer === consumer).length,
      idleMs: now - seenAt,
    })),
    failed: failuresOf(state, ref)
      .values()
      .filter(({ final }) => final).length,
  };
}

/** The read-only side in memory. */
export function createMemoryObserver(state: MemoryState): StreamObserver {
  const session = openSession(state, 'observer');

  return {
    async stream(stream) {
      session.assertOpen();
      const target = state.streams.get(stream);
      const writers = state.writers.get(stream);
      return {
        stream,
        exists: target !== undefined,
        length: target?.entries.length ?? 0,
        firstId: target?.entries[0]?.id ?? null,
        lastId: target?.entries.at(-1)?.id ?? null,
        writers: new Map(writers?.marks),
        trimmedTo: writers?.trimmedTo ?? null,
      };
    },

    async groups(stream) {
      session.assertOpen();
      const target = state.streams.get(stream);
      if (target === undefined) return [];
      return [...target.groups].map(([group, held]) => groupStatus(state, { stream, group }, target, held));
    },

    async injected(stream, group) {
      session.assertOpen();
      const ref: GroupRef = { stream, group, injected: true };
      const target = state.streams.get(placeKey(ref));
      const held = target?.groups.get(group);
      return target === undefined || held === undefined ? null : groupStatus(state, ref, target, held);
    },

    async groupNames(stream) {
      session.assertOpen();
      return [...(state.streams.get(stream)?.groups.keys() ?? [])];
    },

    async progress(ref) {
      session.assertOpen();
      const held = state.streams.get(placeKey(ref))?.groups.get(ref.group);
      if (held === undefined) return null;
      const [oldestPendingId = null] = held.pending.keys();
      return { lastDeliveredId: held.lastDeliveredId, oldestPendingId };
    },

    async oddKeys() {
      session.assertOpen();
      return [];
    },

    async pending(ref, after, count) {
      session.assertOpen();
      const now = Date.now();
      const failures = failuresOf(state, ref);
      return [...groupOf(state, ref).pending]
        .filter(([id]) => after === null || compareEntryIds(id, after) > 0)
        .slice(0, count)
        .map(([id, { consumer, deliveredAt, deliveries }]): PendingEntry => {
          const fields = entryOf(state, placeKey(ref), id)?.fields ?? null;
          const recorded = failures.get(id);
          const failure = recorded?.eventId === (fields?.event_id ?? '') ? recorded : null;
          const idleMs = boundedIdleMs(id, now - deliveredAt, now);
          return { id, consumer, idleMs, deliveries, failure, fields };
        });
    },

    async range(stream, from, to, count) {
      session.assertOpen();
      return rangeOf(state, stream, from, to, count);
    },

    async newest(stream, count, before) {
      session.assertOpen();
      const entries = state.streams.get(stream)?.entries ?? [];
      const end =
        entries.findLastIndex(({ id }) => before === undefined || compareEntryIds(id, before) < 0) + 1;
      return entries.slice(Math.max(0, end - count), end);
    },

    follow(stream, afterId, blockMs) {
      const look = () =>
        rangeOf(state, stream, '-', '+', Number.POSITIVE_INFINITY)
          .filter(({ id }) => compareEntryIds(id, afterId) > 0)
          .slice(0, FOLLOW_COUNT);
      return session.wait(look, blockMs);
    },

    async server() {
      return 'memory';
    },

    async figures() {
      session.assertOpen();
      const { heapUsed } = process.memoryUsage();
      return {
        usedMemoryBytes: heapUsed,
        maxMemoryBytes: null,
        opsPerSecond: 0,
        replicaLagSeconds: new Map<string, number>(),
      };
    },

    async ping() {
      session.assertOpen();
    },

    close: () => session.close(),
  };
}
