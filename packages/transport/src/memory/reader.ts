import { compareEntryIds } from '../entry-id.ts';
import { CommandRejectedError } from '../errors.ts';
import { HANDED_BACK } from '../keys.ts';
import type { Delivery, FailureRecord, GroupReader, GroupRef } from '../transport.ts';
import { openSession } from './session.ts';
import {
  entryOf,
  failuresOf,
  groupOf,
  type MemoryGroup,
  type MemoryState,
  type Pending,
  streamOf,
} from './state.ts';

/** New entries of one stream, which become pending under the consumer's name. */
function deliver(state: MemoryState, ref: GroupRef, consumer: string, count: number): Delivery[] {
  const group = groupOf(state, ref);
  const now = Date.now();
  group.consumers.set(consumer, now);
  const isNew = (id: string) => compareEntryIds(id, group.lastDeliveredId) > 0;
  const entries = streamOf(state, ref.stream)
    .entries.filter(({ id }) => isNew(id))
    .slice(0, count);
  for (const { id } of entries) {
    group.pending.set(id, { consumer, deliveredAt: now, deliveries: 1 });
    group.lastDeliveredId = id;
  }
  return entries.map((entry) => ({ ...entry, stream: ref.stream, deliveries: 1 }));
}

/** Pending entries in order, after an ID, that nobody has touched for a while. */
function idleEntries(
  group: MemoryGroup,
  minIdleMs: number,
  after: string | null,
  count: number,
): [string, Pending][] {
  const now = Date.now();
  return [...group.pending]
    .filter(([id]) => after === null || compareEntryIds(id, after) > 0)
    .filter(([, { deliveredAt }]) => now - deliveredAt >= minIdleMs)
    .slice(0, count);
}

/** Whether no further attempt will be made. Forgets a record of another event that had the same entry ID. */
function gaveUp(failures: Map<string, FailureRecord>, id: string, eventId: string): boolean {
  const record = failures.get(id);
  if (record === undefined) return false;
  if (record.eventId === eventId) return record.final;
  failures.delete(id);
  return false;
}

/** Those of the entries that are pending under the consumer's name. */
function ownEntries(group: MemoryGroup, consumer: string, ids: readonly string[]): [string, Pending][] {
  return ids.flatMap((id) => {
    const pending = group.pending.get(id);
    return pending?.consumer === consumer ? [[id, pending] as [string, Pending]] : [];
  });
}

function holds(group: MemoryGroup, consumer: string): boolean {
  return group.pending.values().some((pending) => pending.consumer === consumer);
}

/** The consuming side in memory, for any number of groups and streams. */
export function createMemoryReader(state: MemoryState): GroupReader {
  const session = openSession(state, 'reader');

  return {
    async ensureGroup({ stream, group }, startId) {
      session.assertOpen();
      if (!/^\d+(-\d+)?$/.test(startId)) {
        throw new CommandRejectedError(
          `the group ${group} on ${stream} cannot start at ${startId}: give an entry ID, or 0 for the beginning`,
        );
      }
      const { groups } = streamOf(state, stream);
      if (groups.has(group)) return 'exists';
      const lastDeliveredId = startId.includes('-') ? startId : `${startId}-0`;
      groups.set(group, { lastDeliveredId, pending: new Map(), consumers: new Map() });
      return 'created';
    },

    read({ group, consumer, streams, count, blockMs }) {
      const look = () => {
        for (const stream of streams) groupOf(state, { stream, group });
        return streams.flatMap((stream) => deliver(state, { stream, group }, consumer, count));
      };
      return session.wait(look, blockMs);
    },

    async claim(ref, { consumer, minIdleMs, count, cursor }) {
      session.assertOpen();
      const group = groupOf(state, ref);
      const failures = failuresOf(state, ref);
      const page = idleEntries(group, minIdleMs, cursor ?? null, count);
      const vanished: string[] = [];
      const deliveries: Delivery[] = [];
      for (const [id, pending] of page) {
        const entry = entryOf(state, ref.stream, id);
        if (entry === undefined) {
          group.pending.delete(id);
          failures.delete(id);
          vanished.push(id);
        } else if (!gaveUp(failures, id, entry.fields.event_id ?? '')) {
          const claimed = { consumer, deliveredAt: Date.now(), deliveries: pending.deliveries + 1 };
          group.pending.set(id, claimed);
          group.consumers.set(consumer, claimed.deliveredAt);
          deliveries.push({ ...entry, stream: ref.stream, deliveries: claimed.deliveries });
        }
      }
      if (!holds(group, HANDED_BACK)) group.consumers.delete(HANDED_BACK);
      return { deliveries, vanished, cursor: page.length === count ? (page.at(-1)?.[0] ?? null) : null };
    },

    async keep(ref, consumer, ids) {
      session.assertOpen();
      const kept = ownEntries(groupOf(state, ref), consumer, ids);
      for (const [, pending] of kept) pending.deliveredAt = Date.now();
      return kept.map(([id]) => id);
    },

    async acknowledge(ref, ids) {
      session.assertOpen();
      const pending = state.streams.get(ref.stream)?.groups.get(ref.group)?.pending;
      const failures = failuresOf(state, ref);
      let acknowledged = 0;
      for (const id of ids) {
        failures.delete(id);
        if (pending?.delete(id)) acknowledged += 1;
      }
      return acknowledged;
    },

    async release(ref, consumer, ids) {
      session.assertOpen();
      const group = groupOf(state, ref);
      const released = ownEntries(group, consumer, ids);
      for (const [, pending] of released) {
        pending.consumer = HANDED_BACK;
        pending.deliveredAt = 0;
        pending.deliveries = Math.max(0, pending.deliveries - 1);
        group.consumers.set(HANDED_BACK, Date.now());
      }
      return released.length;
    },

    async recordFailures(ref, failures) {
      session.assertOpen();
      const group = groupOf(state, ref);
      const recorded = failuresOf(state, ref);
      for (const [id, record] of failures) {
        if (group.pending.has(id)) recorded.set(id, { ...record });
      }
    },

    async failures(ref, ids) {
      session.assertOpen();
      const recorded = failuresOf(state, ref);
      return new Map(
        ids.flatMap((id) => (recorded.has(id) ? [[id, recorded.get(id) as FailureRecord]] : [])),
      );
    },

    async removeConsumer(ref, consumer) {
      session.assertOpen();
      const group = state.streams.get(ref.stream)?.groups.get(ref.group);
      // With its group, the name is gone too.
      if (group === undefined) return true;
      if (holds(group, consumer)) return false;
      group.consumers.delete(consumer);
      return true;
    },

    async ping() {
      session.assertOpen();
    },

    close: () => session.close(),
  };
}
