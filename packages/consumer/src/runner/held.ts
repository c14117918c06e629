import {
  compareEntryIds,
  type Delivery,
  type EntryName,
  type FailureRecord,
  placeKey,
} from '@event-bus/transport';
import type { LaneItem } from './lanes.ts';

/** A delivery in the runner's hands. */
export interface Held extends LaneItem {
  readonly delivery: Delivery;
  /** Until this process has survived it. */
  alone: boolean;
  /** From when the database went away from under a transaction that it shared: it may be what brings that about. */
  single: boolean;
  /** How often the database has gone away from it alone. */
  downfalls: number;
  /** Its delivery, which is to be handled alone, is counted. */
  isCounted: boolean;
  /** The last failure, if any attempt counted or was deferred: what is recorded beside the stream. */
  failure: FailureRecord | undefined;
  /** Milliseconds since the epoch, as far as is known. */
  readonly firstDeliveredAt: number;
  /** Of the values of its fields, as far as they are ASCII. */
  readonly bytes: number;
  /** When it was taken in hand, by `performance.now()`. */
  readonly takenAt: number;
}

/** Deliveries from which on an entry is handled alone: its process has died twice with it in hand. */
const aloneFrom = 3;

/**
 * Takes a delivery in hand. After a failover an entry ID may stand for another event: held twice then, and not
 * mistaken for the first. A replay goes through history again, in lanes of its own.
 */
export function toHeld(
  delivery: Delivery,
  { group, ordering }: { readonly group: string; readonly ordering: 'none' | 'aggregate' },
  failure?: FailureRecord,
): Held {
  const { stream, fields, deliveries } = delivery;
  const id = `${placeKey({ ...delivery, group })} ${delivery.id} ${eventIdOf(delivery)}`;
  const aggregate = fields.aggregate_id;
  const ordered = ordering === 'aggregate' && aggregate !== undefined && aggregate !== '';
  const lane = `${stream} ${fields.aggregate_type ?? ''} ${aggregate} ${fields.replay_id ?? ''}`;
  return {
    id,
    key: ordered ? lane : id,
    alone: deliveries >= aloneFrom,
    single: false,
    downfalls: 0,
    isCounted: false,
    delivery,
    failure,
    bytes: lengthOf(fields),
    firstDeliveredAt: failure?.firstDeliveredAt ?? Date.now(),
    takenAt: performance.now(),
  };
}

/** The characters of all values. */
export function lengthOf(fields: Delivery['fields']): number {
  let length = 0;
  for (const name in fields) length += fields[name]?.length ?? 0;
  return length;
}

/** The event ID of a delivery; empty where a foreign writer gave none. */
export function eventIdOf({ fields }: Delivery): string {
  return fields.event_id ?? '';
}

/** What names a held entry on the server. */
export function entryNameOf({ delivery }: Held): EntryName {
  return { id: delivery.id, eventId: eventIdOf(delivery) };
}

/** The order of two deliveries of one lane: what is redriven is older than what stands in the stream. */
export function compareHeld(a: Held, b: Held): number {
  if (a.delivery.injected !== b.delivery.injected) return a.delivery.injected === true ? -1 : 1;
  return compareEntryIds(a.delivery.id, b.delivery.id);
}
