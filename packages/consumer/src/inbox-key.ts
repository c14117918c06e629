import { parseEntry, UndecodableEventError } from '@event-bus/contracts';
import type { InboxKey } from '@event-bus/inbox';
import type { Delivery } from '@event-bus/transport';

/** What names the event of an entry in a group's inbox; `undefined` if the entry is none of this bus's. */
export function inboxKeyOf(group: string, { fields }: Pick<Delivery, 'fields'>): InboxKey | undefined {
  try {
    const { eventId, occurredAt } = parseEntry(fields);
    return { group, eventId, occurredAt, replayId: fields.replay_id ?? '' };
  } catch (error) {
    if (error instanceof UndecodableEventError) return undefined;
    throw error;
  }
}
