import type { InboxKey } from '@event-bus/inbox';
import type { Delivery } from '@event-bus/transport';

/** What names the event of an entry in a group's inbox; `undefined` if it is none that an inbox could know. */
export function inboxKeyOf(group: string, { fields }: Pick<Delivery, 'fields'>): InboxKey | undefined {
  const { event_id: eventId = '', occurred_at: occurredAt = '', replay_id: replayId = '' } = fields;
  const isNamed =
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(eventId) && !Number.isNaN(Date.parse(occurredAt));
  return isNamed ? { group, eventId, occurredAt, replayId } : undefined;
}
