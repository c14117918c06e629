import { assertAddable } from '../batch.ts';
import { deadLetterFields } from '../entry.ts';
import { boundedIdleMs, compareEntryIds } from '../entry-id.ts';
import { derivedKeys, placeKey } from '../keys.ts';
import type { EntryMover, GroupRef, PendingEntry } from '../transport.ts';
import { idleEntries } from './reader.ts';
import { openSession } from './session.ts';
import {
  addEntry,
  entryOf,
  failuresOf,
  groupOf,
  holdsEvent,
  type MemoryState,
  removeEntry,
} from './state.ts';

/** The side of those who move entries, in memory. */
export function createMemoryMover(state: MemoryState): EntryMover {
  const session = openSession(state, 'mover');
  const letters = ({ stream, group }: GroupRef) => derivedKeys.deadLetters(stream, group);

  /** The ID under which an entry of the event stands: the one it may have, or a new one. */
  function addOnce(key: string, id: string | undefined, fields: Readonly<Record<string, string>>): string {
    if (id !== undefined && holdsEvent(state, key, id, fields.event_id ?? '')) return id;
    return addEntry(state, key, fields);
  }

  const injectKey = (ref: GroupRef) => placeKey({ ...ref, injected: true });
  const replayKey = (ref: GroupRef, replay: string) => `${derivedKeys.replays(ref.stream)} ${replay}`;

  function isIntact(ref: GroupRef, lastId: string): boolean {
    return compareEntryIds(state.streams.get(injectKey(ref))?.lastId ?? '0-0', lastId) >= 0;
  }

  function removeOf(key: string, id: string, eventId: string): boolean {
    return holdsEvent(state, key, id, eventId) && removeEntry(state, key, id);
  }

  return {
    async givenUp(ref, { minIdleMs, maxDeliveries, count, cursor }) {
      session.assertOpen();
      const now = Date.now();
      const failures = failuresOf(state, ref);
      const page = idleEntries(groupOf(state, ref), minIdleMs, cursor ?? null, count);
      const entries = page.flatMap(([id, { consumer, deliveredAt, deliveries }]): PendingEntry[] => {
        const fields = entryOf(state, placeKey(ref), id)?.fields ?? null;
        const recorded = failures.get(id);
        const failure = recorded?.eventId === (fields?.event_id ?? '') ? recorded : null;
        const isGivenUp = fields === null || deliveries >= maxDeliveries || failure?.final === true;
        const idleMs = boundedIdleMs(id, now - deliveredAt, now);
        return isGivenUp ? [{ id, consumer, idleMs, deliveries, failure, fields }] : [];
      });
      return { entries, cursor: page.length === count ? (page.at(-1)?.[0] ?? null) : null };
    },

    async deadLetter(ref, { id, eventId }, details) {
      session.assertOpen();
      const key = placeKey(ref);
      const { pending } = groupOf(state, ref);
      const entry = entryOf(state, key, id);
      if (!pending.has(id) || entry === undefined || !holdsEvent(state, key, id, eventId)) return null;
      const letterId = addEntry(state, letters(ref), deadLetterFields(entry.fields, details));
      pending.delete(id);
      failuresOf(state, ref).delete(id);
      if (ref.injected === true) removeEntry(state, key, id);
      return letterId;
    },

    async restore(ref, copies) {
      session.assertOpen();
      assertAddable(letters(ref), copies);
      return copies.map(({ fields, details, deadLetterId }) =>
        addOnce(letters(ref), deadLetterId, deadLetterFields(fields, details)),
      );
    },

    async forget(ref, entries) {
      session.assertOpen();
      return entries.filter(({ id, eventId }) => removeOf(letters(ref), id, eventId)).length;
    },

    async inject(ref, entries) {
      session.assertOpen();
      const key = placeKey({ ...ref, injected: true });
      assertAddable(key, entries);
      return entries.map(({ fields, replayId, injectId, deadLetterId }) => {
        const id = addOnce(key, injectId, { ...fields, replay_id: replayId });
        if (deadLetterId !== undefined) removeOf(letters(ref), deadLetterId, fields.event_id ?? '');
        return id;
      });
    },

    async takeReplay(ref, { replay, token, handledTo }) {
      session.assertOpen();
      const key = replayKey(ref, replay);
      const held = state.replays.get(key);
      if (held !== undefined && Number(held.token) > Number(token)) return null;
      const isKnown = held !== undefined && isIntact(ref, held.lastId);
      const { at, lastId } = isKnown ? held : { at: handledTo, lastId: '0-0' };
      state.replays.set(key, { token, at, lastId });
      return { at, lastId };
    },

    async injectReplay(ref, { replay, token, at, to, replayId, entries, limit }) {
      session.assertOpen();
      const place = injectKey(ref);
      assertAddable(place, entries);
      const key = replayKey(ref, replay);
      const held = state.replays.get(key);
      if (held !== undefined && Number(held.token) > Number(token)) return { outcome: 'superseded' };
      if (held?.token !== token || held.at !== at || !isIntact(ref, held.lastId)) return { outcome: 'lost' };
      const firstId = () => state.streams.get(place)?.entries[0]?.id ?? null;
      const length = state.streams.get(place)?.entries.length ?? 0;
      if (entries.length > 0 && length >= limit)
        return { outcome: 'full', lastId: held.lastId, firstId: firstId() };
      const added = entries.map(({ fields }) => addEntry(state, place, { ...fields, replay_id: replayId }));
      const lastId = added.at(-1) ?? held.lastId;
      state.replays.set(key, { token, at: to, lastId });
      return { outcome: 'injected', lastId, firstId: firstId() };
    },

    async endReplay(ref, replay, { withdrawn = '' } = {}) {
      session.assertOpen();
      state.replays.delete(replayKey(ref, replay));
      if (withdrawn === '') return 0;
      const place = injectKey(ref);
      const { entries = [], groups } = state.streams.get(place) ?? {};
      const readTo = groups?.get(ref.group)?.lastDeliveredId ?? '0-0';
      const unread = entries.filter(
        ({ id, fields }) => compareEntryIds(id, readTo) > 0 && fields.replay_id === withdrawn,
      );
      return unread.filter(({ id }) => removeEntry(state, place, id)).length;
    },

    async injectedCount(ref) {
      session.assertOpen();
      return state.streams.get(placeKey({ ...ref, injected: true }))?.entries.length ?? 0;
    },

    async deadLetterCount(ref) {
      session.assertOpen();
      return state.streams.get(letters(ref))?.entries.length ?? 0;
    },

    async absent(ref, from, entries) {
      session.assertOpen();
      const key = from === 'injected' ? placeKey({ ...ref, injected: true }) : letters(ref);
      return entries.filter(({ id, eventId }) => !holdsEvent(state, key, id, eventId)).map(({ id }) => id);
    },

    async dropVanished(ref, ids) {
      session.assertOpen();
      const pending = state.streams.get(placeKey(ref))?.groups.get(ref.group)?.pending;
      return ids.filter((id) => {
        if (entryOf(state, placeKey(ref), id) !== undefined) return false;
        failuresOf(state, ref).delete(id);
        return pending?.delete(id);
      }).length;
    },

    async removeIdleConsumer(ref, consumer, minIdleMs) {
      session.assertOpen();
      const { pending, consumers } = groupOf(state, ref);
      const seenAt = consumers.get(consumer);
      const isHolding = pending.values().some((entry) => entry.consumer === consumer);
      if (isHolding || (seenAt !== undefined && Date.now() - seenAt < minIdleMs)) return false;
      consumers.delete(consumer);
      return true;
    },

    async ping() {
      session.assertOpen();
    },

    close: () => session.close(),
  };
}
