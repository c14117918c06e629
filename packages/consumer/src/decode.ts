import {
  type EventCatalog,
  parseEntry,
  type ReceivedEvent,
  UndecodableEventError,
} from '@event-bus/contracts';
import type { Delivery } from '@event-bus/transport';
import type { ConsumerDefinition, ResolvedHandling } from './define-consumer.ts';

/**
 * What a delivery is to a consumer.
 * - `event`: decoded, with its handler.
 * - `unhandled`: a type without a handler here; it leaves no trace.
 * - `undecodable`: no retry can mend it.
 */
export type Decoded =
  | { readonly kind: 'event'; readonly event: ReceivedEvent; readonly handling: ResolvedHandling }
  | { readonly kind: 'unhandled'; readonly eventType: string }
  | { readonly kind: 'undecodable'; readonly error: UndecodableEventError };

/** Reads a delivery. */
export function decodeDelivery(
  consumer: ConsumerDefinition,
  catalog: EventCatalog,
  delivery: Delivery,
): Decoded {
  try {
    const entry = parseEntry(delivery.fields);
    const handling = consumer.handlings.get(entry.eventType);
    if (handling === undefined) {
      const known = catalog.latest(entry.eventType) !== undefined;
      if (known || consumer.unknownEvents === 'skip')
        return { kind: 'unhandled', eventType: entry.eventType };
    }
    const event = catalog.decode(entry);
    return handling === undefined
      ? { kind: 'unhandled', eventType: entry.eventType }
      : { kind: 'event', event, handling };
  } catch (error) {
    if (error instanceof UndecodableEventError) return { kind: 'undecodable', error };
    throw error;
  }
}
