import { type Delivery, type FailureRecord, GroupMissingError, type GroupReader } from '@event-bus/transport';
import { createFlusher, type Flusher } from './flusher.ts';
import type { Held } from './held.ts';
import type { Outage } from './outage.ts';

/** A failure that is to be recorded beside the stream. */
export interface Failure {
  readonly held: Held;
  readonly record: FailureRecord;
}

/**
 * Records failures beside the stream, where the next runner finds them. A final one is handed back once its
 * record stands, which keeps it from ever being claimed: so it holds no consumer's name.
 */
export function createFailureRecorder(parts: {
  readonly group: string;
  readonly consumer: string;
  readonly reader: GroupReader;
  readonly outage: Outage;
}): Flusher<Failure> {
  const { group, consumer, reader, outage } = parts;
  return createFlusher<Failure>({
    streamOf: ({ held }) => held.delivery.stream,
    outage,
    lingerMs: 0,
    enough: 1,
    send: async (stream, failures) => {
      const ref = { stream, group };
      try {
        await reader.recordFailures(
          ref,
          new Map(failures.map(({ held, record }) => [held.delivery.id, record])),
        );
        const final = failures.filter(({ record }) => record.final).map(({ held }) => held.delivery.id);
        if (final.length > 0) await reader.release(ref, consumer, final);
      } catch (error) {
        // Nothing is pending in a group that is gone: the events come again with it.
        if (!(error instanceof GroupMissingError)) throw error;
      }
    },
  });
}

/** The failures recorded of claimed entries, by entry ID; records of other events under the same ID are left out. */
export async function recallFailures(
  reader: GroupReader,
  ref: { readonly stream: string; readonly group: string },
  deliveries: readonly Delivery[],
): Promise<Map<string, FailureRecord>> {
  if (deliveries.length === 0) return new Map();
  const records = await reader.failures(
    ref,
    deliveries.map(({ id }) => id),
  );
  const recalled = new Map<string, FailureRecord>();
  for (const { id, fields } of deliveries) {
    const record = records.get(id);
    if (record !== undefined && record.eventId === (fields.event_id ?? '')) recalled.set(id, record);
  }
  return recalled;
}

const maxErrorLength = 2_000;

/** An error as it is recorded, for people. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  // Half a surrogate pair would make the record unreadable to the scripts.
  const bounded = text.length > maxErrorLength ? `${text.slice(0, maxErrorLength)}…` : text;
  return bounded.toWellFormed();
}
