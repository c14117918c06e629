import type { Delivery } from '@event-bus/transport';
import { compareEntryIds } from './entry-order.ts';
import type { LaneItem } from './lanes.ts';

/** A delivery in the runner's hands. */
export interface Held extends LaneItem {
  readonly delivery: Delivery;
  /** Attempts that counted so far. */
  attempts: number;
}

/**
 * Takes a delivery in hand. After a failover an entry ID may stand for another event: held twice then, and not
 * mistaken for the first.
 */
export function toHeld(delivery: Delivery, ordering: 'none' | 'aggregate', attempts: number): Held {
  const { stream, fields } = delivery;
  const id = `${stream} ${delivery.id} ${fields.event_id ?? ''}`;
  const aggregate = fields.aggregate_id;
  const ordered = ordering === 'aggregate' && aggregate !== undefined && aggregate !== '';
  const key = ordered ? `${stream} ${fields.aggregate_type ?? ''} ${aggregate}` : id;
  return { id, key, delivery, attempts };
}

/** The order of two deliveries of one stream. */
export function compareHeld(a: Held, b: Held): number {
  return compareEntryIds(a.delivery.id, b.delivery.id);
}
