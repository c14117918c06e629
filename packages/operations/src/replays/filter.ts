import type { ReplayFilter } from '@event-bus/database';
import type { StreamEntry } from '@event-bus/transport';

/** Whether a replay brings this entry. One whose time cannot be read lies within every range of time. */
export function isWanted(filter: ReplayFilter, { fields }: Pick<StreamEntry, 'fields'>): boolean {
  const { occurredFrom, occurredTo, eventType, tenantId, aggregateId } = filter;
  const occurredMs = Date.parse(fields.occurred_at ?? '');
  return (
    !(occurredFrom !== null && occurredMs < occurredFrom.getTime()) &&
    !(occurredTo !== null && occurredMs > occurredTo.getTime()) &&
    (eventType === null || fields.event_type === eventType) &&
    (tenantId === null || fields.tenant_id === tenantId) &&
    (aggregateId === null || fields.aggregate_id === aggregateId)
  );
}
