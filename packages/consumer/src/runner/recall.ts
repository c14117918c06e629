import type { Delivery, FailureRecord, GroupReader, GroupRef } from '@event-bus/transport';
import { eventIdOf } from './held.ts';

/** The failures recorded of claimed entries, by entry ID; records of other events under the same ID are left out. */
export async function recallFailures(
  reader: GroupReader,
  ref: GroupRef,
  deliveries: readonly Delivery[],
): Promise<Map<string, FailureRecord>> {
  if (deliveries.length === 0) return new Map();
  const records = await reader.failures(
    ref,
    deliveries.map(({ id }) => id),
  );
  const recalled = new Map<string, FailureRecord>();
  for (const delivery of deliveries) {
    const record = records.get(delivery.id);
    if (record !== undefined && record.eventId === eventIdOf(delivery)) recalled.set(delivery.id, record);
  }
  return recalled;
}
