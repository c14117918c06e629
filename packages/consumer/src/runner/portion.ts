import type { Delivery } from '@event-bus/transport';
import { lengthOf } from './held.ts';

/** How many entries to read at once, so that a slow link carries them in time. */
export interface Portion {
  /** Of all streams together. */
  entries(): number;
  /** So large were those that came last. */
  came(deliveries: readonly Delivery[]): void;
  /** So many were asked for, and no reply came in time: they may have been too much. */
  lost(asked: number): void;
}

/** A link of 10 Mbit/s carries so much in the time for which a reply is waited for by default. */
const portionBytes = 4 * 1024 ** 2;

/** Creates the portion of a reader, which does not know how large its entries are until it has seen some. */
export function createPortion(): Portion {
  let entries = Number.POSITIVE_INFINITY;
  return {
    entries: () => entries,
    came(deliveries) {
      if (deliveries.length === 0) return;
      let bytes = 0;
      for (const { fields } of deliveries) bytes += lengthOf(fields);
      entries = Math.max(1, Math.floor((portionBytes * deliveries.length) / Math.max(1, bytes)));
    },
    lost(asked) {
      entries = Math.max(1, Math.floor(asked / 4));
    },
  };
}
