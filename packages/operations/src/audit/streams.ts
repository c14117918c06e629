import type { BusDatabase } from '@event-bus/database';
import { compareEntryIds, type StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** How far a stream was trimmed on purpose. */
export interface Trimmed {
  /** The entry ID. */
  readonly id: string | null;
  /** The position of the outbox that is accounted for. */
  readonly position: number | null;
}

/** Up to where streams were trimmed, and which outboxes have written to them. */
export async function readStreams(
  { bus, observer }: { readonly bus: Kysely<BusDatabase>; readonly observer: StreamObserver },
  streams: readonly string[],
  source: string | null,
): Promise<{ readonly trimmed: Map<string, Trimmed>; readonly sources: Set<string> }> {
  const [statuses, retained, positions] = await Promise.all([
    Promise.all(streams.map((stream) => observer.stream(stream))),
    bus.selectFrom('stream_retention').select(['stream', 'trimmed_to']).execute(),
    bus
      .selectFrom('stream_retention_sources')
      .select(['stream', 'trimmed_position'])
      .where('source', '=', source ?? '')
      .execute(),
  ]);
  const trimmed = statuses.map(({ stream, trimmedTo }): [string, Trimmed] => {
    // Noted in PostgreSQL before the trim, and not lost with Redis.
    const noted = retained.find((row) => row.stream === stream)?.trimmed_to ?? null;
    const position = positions.find((row) => row.stream === stream)?.trimmed_position ?? null;
    return [stream, { id: later(trimmedTo, noted), position: position === null ? null : Number(position) }];
  });
  return {
    trimmed: new Map(trimmed),
    sources: new Set(statuses.flatMap(({ writers }) => [...writers.keys()])),
  };
}

function later(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareEntryIds(a, b) < 0 ? b : a;
}
