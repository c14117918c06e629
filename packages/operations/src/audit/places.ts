import { batchesHolding, type LoggedEvent, newestBatches, type PlacedBatch } from '@event-bus/outbox/log';
import type { StreamObserver } from '@event-bus/transport';
import type { OutboxPool } from '../outbox-pool.ts';

/** Where a published event stands, or stood. */
export interface Place {
  readonly stream: string;
  /** IDs of its entries, as far as they are there. */
  readonly ids: readonly string[];
  /** The batch that it was written in; `null` if that is no longer on record. */
  readonly batch: PlacedBatch | null;
  /** The end of its stream is lost, and that batch with it: the publisher writes it again. */
  readonly isToBeRewritten: boolean;
}

const pageSize = 200;

/**
 * Finds events in their streams, by event ID, through the batches they are recorded in. Reads no more than these batches
 * and what other outboxes wrote between them. Events without a record are left out. By event ID.
 */
export async function findPlaces(
  { pool, observer }: { readonly pool: OutboxPool; readonly observer: StreamObserver },
  events: readonly LoggedEvent[],
): Promise<Map<string, Place[]>> {
  const places = new Map<string, Place[]>();
  if (events.length === 0) return places;
  const batches = await batchesHolding(
    pool,
    events.map(({ position }) => position),
  );
  const lostEnd = await streamsThatLostTheirEnd(pool, observer);
  for (const batch of batches) {
    const own = events.filter(({ position }) => holds(batch, position));
    const ids = await findEntries(observer, batch, new Set(own.map(({ eventId }) => eventId)));
    const isToBeRewritten = lostEnd.has(batch.stream) && !(await stands(observer, batch));
    for (const { eventId } of own) {
      const place = {
        stream: batch.stream,
        ids: ids.get(eventId) ?? [],
        batch,
        isToBeRewritten,
      };
      places.set(eventId, [...(places.get(eventId) ?? []), place]);
    }
  }
  return places;
}

/** Finds events in a stream by reading all of it. */
export async function searchStream(
  observer: StreamObserver,
  stream: string,
  eventIds: ReadonlySet<string>,
): Promise<Map<string, string[]>> {
  return findEntries(observer, { stream, previousId: null, lastId: '+' }, eventIds);
}

/** Whether the event at a position was written in this batch. */
export function holds({ positions }: PlacedBatch, position: number): boolean {
  return positions.some(({ first, last }) => first <= position && position <= last);
}

async function findEntries(
  observer: StreamObserver,
  { stream, previousId, lastId }: Pick<PlacedBatch, 'stream' | 'previousId' | 'lastId'>,
  eventIds: ReadonlySet<string>,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let from = previousId === null ? '-' : `(${previousId}`;
  for (;;) {
    const page = await observer.range(stream, from, lastId, pageSize);
    for (const { id, fields } of page) {
      const eventId = fields.event_id ?? '';
      if (eventIds.has(eventId)) found.set(eventId, [...(found.get(eventId) ?? []), id]);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return found;
    from = `(${last.id}`;
  }
}

async function streamsThatLostTheirEnd(pool: OutboxPool, observer: StreamObserver): Promise<Set<string>> {
  const lost = new Set<string>();
  for (const newest of await newestBatches(pool)) {
    if (!(await stands(observer, newest))) lost.add(newest.stream);
  }
  return lost;
}

async function stands(
  observer: StreamObserver,
  { stream, lastId, lastEventId }: Pick<PlacedBatch, 'stream' | 'lastId' | 'lastEventId'>,
): Promise<boolean> {
  const [entry] = await observer.range(stream, lastId, lastId, 1);
  return entry?.fields.event_id === lastEventId;
}
