import type { StreamEntry } from '../entry.ts';
import { compareEntryIds } from '../entry-id.ts';
import { CommandRejectedError, EntriesPassedOverError } from '../errors.ts';
import { HANDED_BACK, placeKey, placeOf } from '../keys.ts';
import type { Delivery, GroupReader, GroupRef, ReadPlace } from '../transport.ts';
import { openSession } from './session.ts';
import {
  entryOf,
  failuresOf,
  groupOf,
  holdsEvent,
  type MemoryFailures,
  type MemoryGroup,
  type MemoryState,
  type Pending,
  rangeOf,
  removeEntry,
  streamOf,
} from './state.ts';

/** New entries of one place, which become pending under the consumer's name. */
function deliver(state: MemoryState, ref: GroupRef, consumer: string, count: number): Delivery[] {
  const group = groupOf(state, ref);
  const now = Date.now();
  group.consumers.set(consumer, now);
  const isNew = (id: string) => compareEntryIds(id, group.lastDeliveredId) > 0;
  const entries = streamOf(state, placeKey(ref))
    .entries.filter(({ id }) => isNew(id))
    .slice(0, count);
  for (const { id } of entries) {
    group.pending.set(id, { consumer, deliveredAt: now, deliveries: 1 });
    group.lastDeliveredId = id;
  }
  return entries.map((entry) => ({ ...entry, ...placeOf(ref), deliveries: 1 }));
}

/** @throws EntriesPassedOverError */
function assertWithoutGap(
  state: MemoryState,
  { after, ...ref }: ReadPlace & GroupRef,
  [first]: readonly Delivery[],
): void {
  if (after === undefined || first === undefined) return;
  const key = placeKey(ref);
  const [next] = rangeOf(state, key, `(${after}`, '+', 1);
  if (next !== undefined && compareEntryIds(next.id, first.id) < 0)
    throw new EntriesPassedOverError(key, next.id, first.id);
}

/** Pending entries in order, after an ID, that nobody has touched for a while. */
export function idleEntries(
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
function gaveUp(failures: MemoryFailures, id: string, eventId: string): boolean {
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
    async ensureGroup(ref, startId) {
      session.assertOpen();
      if (!/^\d+(-\d+)?$/.test(startId)) {
        throw new CommandRejectedError(
          `the group ${ref.group} on ${placeKey(ref)} cannot start at ${startId}: give an entry ID, or 0 for the beginning`,
        );
      }
      const { groups } = streamOf(state, placeKey(ref));
      if (groups.has(ref.group)) return 'exists';
      const lastDeliveredId = startId.includes('-') ? startId : `${startId}-0`;
      groups.set(ref.group, { lastDeliveredId, pending: new Map(), consumers: new Map() });
      return 'created';
    },

    read({ group, consumer, from, count, blockMs }) {
      const look = () => {
        for (const place of from) groupOf(state, { ...place, group });
        const read = from.map(
          (place) => [place, deliver(state, { ...place, group }, consumer, count)] as const,
        );
        for (const [place, deliveries] of read) assertWithoutGap(state, { ...place, group }, deliveries);
        return read.flatMap(([, deliveries]) => deliveries);
      };
      return session.wait(look, blockMs);
    },

    async lastDelivered(ref) {
      session.assertOpen();
      return groupOf(state, ref).lastDeliveredId;
    },

    async claim(ref, { consumer, minIdleMs, count, maxDeliveries, withGivenUp, cursor }) {
      session.assertOpen();
      const group = groupOf(state, ref);
      const failures = failuresOf(state, ref);
      const page = idleEntries(group, minIdleMs, cursor ?? null, count);
      const vanished: string[] = [];
      const deliveries: Delivery[] = [];
      const givenUp: StreamEntry[] = [];
      for (const [id, pending] of page) {
        const entry = entryOf(state, placeKey(ref), id);
        if (entry === undefined) {
          group.pending.delete(id);
          failures.delete(id);
          vanished.push(id);
        } else if (pending.deliveries >= maxDeliveries || gaveUp(failures, id, entry.fields.event_id ?? '')) {
          if (withGivenUp === true) givenUp.push(entry);
        } else {
          const counted = pending.deliveries < 2 ? pending.deliveries + 1 : pending.deliveries;
          const claimed = { consumer, deliveredAt: Date.now(), deliveries: counted };
          group.pending.set(id, claimed);
          group.consumers.set(consumer, claimed.deliveredAt);
          deliveries.push({ ...entry, ...placeOf(ref), deliveries: pending.deliveries + 1 });
        }
      }
      if (!holds(group, HANDED_BACK)) group.consumers.delete(HANDED_BACK);
      return {
        deliveries,
        vanished,
        givenUp,
        cursor: page.length === count ? (page.at(-1)?.[0] ?? null) : null,
      };
    },

    async countDelivery(ref, consumer, id) {
      session.assertOpen();
      const [held] = ownEntries(groupOf(state, ref), consumer, [id]);
      if (held === undefined) return null;
      const [, pending] = held;
      pending.deliveries += 1;
      pending.deliveredAt = Date.now();
      return pending.deliveries;
    },

    async keep(ref, consumer, ids) {
      session.assertOpen();
      const kept = ownEntries(groupOf(state, ref), consumer, ids);
      for (const [, pending] of kept) pending.deliveredAt = Date.now();
      return kept.map(([id]) => id);
    },

    async acknowledge(ref, entries) {
      session.assertOpen();
      const key = placeKey(ref);
      const pending = state.streams.get(key)?.groups.get(ref.group)?.pending;
      const failures = failuresOf(state, ref);
      let acknowledged = 0;
      for (const { id, eventId } of entries) {
        if (entryOf(state, key, id) !== undefined && !holdsEvent(state, key, id, eventId)) continue;
        failures.delete(id);
        if (pending?.delete(id)) acknowledged += 1;
        if (ref.injected === true) removeEntry(state, key, id);
      }
      return acknowledged;
    },

    async release(ref, consumer, deliveries) {
      session.assertOpen();
      const group = groupOf(state, ref);
      let released = 0;
      for (const { id, deliveries: told } of deliveries) {
        const pending = group.pending.get(id);
        if (pending?.consumer !== consumer) continue;
        pending.consumer = HANDED_BACK;
        pending.deliveredAt = 0;
        pending.deliveries = Math.max(0, Math.min(pending.deliveries, told - 1));
        group.consumers.set(HANDED_BACK, Date.now());
        released += 1;
      }
      return released;
    },

    async recordFailures(ref, consumer, failures) {
      session.assertOpen();
      const group = groupOf(state, ref);
      const recorded = failuresOf(state, ref);
      for (const [id, record] of failures) {
        const pending = group.pending.get(id);
        if (pending === undefined || !holdsEvent(state, placeKey(ref), id, record.eventId)) continue;
        recorded.set(id, { ...record });
        if (pending.consumer === consumer && pending.deliveries > 1) {
          pending.deliveries = 1;
          pending.deliveredAt = Date.now();
        }
      }
    },

    async failures(ref, ids) {
      session.assertOpen();
      const recorded = failuresOf(state, ref);
      const found = ids.map((id) => [id, recorded.get(id)] as const);
      return new Map(found.flatMap(([id, record]) => (record === undefined ? [] : [[id, record]])));
    },

    async removeConsumer(ref, consumer) {
      session.assertOpen();
      const group = state.streams.get(placeKey(ref))?.groups.get(ref.group);
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
