import { type BusDatabase, standsBefore } from '@event-bus/database';
import { type EventAccount, readAccounts } from '@event-bus/inbox';
import type { LoggedEvent } from '@event-bus/outbox/log';
import { compareEntryIds, type StreamObserver, streamKey } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { OutboxPool } from '../outbox-pool.ts';
import { entryStates } from './entry-states.ts';
import { holds, type Place } from './places.ts';
import { type EntryState, type EventState, settledState, stateOf } from './states.ts';
import type { Trimmed } from './streams.ts';
import type { Target } from './targets.ts';

/** What an audit reads. */
export interface AuditServers {
  readonly pool: OutboxPool;
  readonly inbox: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly observer: StreamObserver;
}

/** How an event stands for a group. */
export interface Finding {
  readonly target: Target;
  readonly event: LoggedEvent;
  readonly account: EventAccount;
  readonly state: EventState;
}

/** What is looked up for all groups alike. */
export interface Surroundings {
  readonly partitions: ReadonlyMap<string, number>;
  /** By stream. */
  readonly trimmed: ReadonlyMap<string, Trimmed>;
  /** By event ID. */
  findPlaces(events: readonly LoggedEvent[]): Promise<ReadonlyMap<string, readonly Place[]>>;
}

/**
 * Says how events stand for groups. Streams are asked only for what the inbox does not know, and after it: what moves
 * meanwhile may be in neither, and is to be looked at again.
 */
export async function examine(
  servers: AuditServers,
  surroundings: Surroundings,
  asked: ReadonlyMap<Target, readonly LoggedEvent[]>,
): Promise<Finding[]> {
  const accounted = await Promise.all(
    [...asked].map(async ([target, events]) => {
      const accounts = await readAccounts(servers.inbox, target.group, events);
      return events.map((event, index) => ({
        target,
        event,
        account: accounts[index] ?? { outcome: null, letter: null },
      }));
    }),
  );
  const open = accounted.flat().filter(isOpen);
  const places = await surroundings.findPlaces([
    ...new Map(open.map(({ event }) => [event.eventId, event])).values(),
  ]);
  const entries = await readEntryStates(servers.observer, open, places);
  return accounted.flat().map((one): Finding => {
    const { target, event, account } = one;
    const own = places.get(event.eventId) ?? [];
    const state = stateOf({
      status: event.status,
      account,
      isBeforeStart: isBeforeStart(target, event),
      isHandled: isHandled(target, event),
      entries: own.flatMap(({ stream, ids }) =>
        ids.map((id) => entries.get(keyOf(target, stream))?.get(id) ?? 'acknowledged'),
      ),
      isToBeRewritten: own.some(({ isToBeRewritten }) => isToBeRewritten),
      isTrimmed: isTrimmed(surroundings, event, own),
      isHistoryOpen: target.openHistory.has(streamOf(surroundings, event)),
    });
    return { ...one, state };
  });
}

type Accounted = Pick<Finding, 'target' | 'event' | 'account'>;

function isOpen({ target, event, account }: Accounted): boolean {
  return settledState(account) === undefined && event.status === 'published' && !isBeforeStart(target, event);
}

function isBeforeStart({ start }: Target, { position }: LoggedEvent): boolean {
  return start !== undefined && standsBefore(start, BigInt(position));
}

/** Clocks differ, and runners without a new handler learn of it within seconds. */
const handlerMarginMs = 60_000;

function isHandled({ handled }: Target, { eventType, insertedAt }: LoggedEvent): boolean {
  const since = handled.get(eventType);
  if (since === undefined) return false;
  return since === null || insertedAt.getTime() > since.getTime() + handlerMarginMs;
}

function isTrimmed(surroundings: Surroundings, event: LoggedEvent, places: readonly Place[]): boolean {
  const { trimmed } = surroundings;
  const { position } = event;
  if (places.length > 0) {
    return places.some(({ stream, batch }) => {
      const known = trimmed.get(stream);
      if (batch === null || known === undefined) return false;
      if (known.id !== null && compareEntryIds(batch.lastId, known.id) <= 0) return true;
      // A trim ends where the hot window begins, which is in the midst of a batch as a rule.
      return known.position !== null && position <= known.position && holds(batch, known.position);
    });
  }
  return position <= (trimmed.get(streamOf(surroundings, event))?.position ?? 0);
}

/** The stream that the event belongs to, wherever it stands. */
function streamOf({ partitions }: Surroundings, { topic, slot }: LoggedEvent): string {
  const count = partitions.get(topic) ?? 1;
  return streamKey(topic, slot % count, count);
}

/** By group and stream, then by entry ID. */
async function readEntryStates(
  observer: StreamObserver,
  open: readonly Accounted[],
  places: ReadonlyMap<string, readonly Place[]>,
): Promise<Map<string, Map<string, EntryState>>> {
  const asked = new Map<
    string,
    { readonly target: Target; readonly stream: string; readonly ids: string[] }
  >();
  for (const { target, event } of open) {
    for (const { stream, ids } of places.get(event.eventId) ?? []) {
      const key = keyOf(target, stream);
      const entry = asked.get(key) ?? { target, stream, ids: [] };
      entry.ids.push(...ids);
      asked.set(key, entry);
    }
  }
  const streams = new Set([...asked.values()].map(({ stream }) => stream));
  const statuses = (await Promise.all([...streams].map((stream) => observer.groups(stream)))).flat();
  const states = new Map<string, Map<string, EntryState>>();
  for (const [key, { target, stream, ids }] of asked) {
    const status = statuses.find((one) => one.group === target.group && one.stream === stream);
    states.set(key, await entryStates(observer, status, ids));
  }
  return states;
}

function keyOf({ group }: Target, stream: string): string {
  return `${group} ${stream}`;
}
