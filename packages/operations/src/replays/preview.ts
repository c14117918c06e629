import { type History, readHistory, readLeftEntries } from '@event-bus/archive';
import type { StreamEntry } from '@event-bus/transport';
import { isWanted } from './filter.ts';
import type { ReplayPlan } from './request.ts';

/** How many events a replay would bring, of one type. */
export interface ReplayCount {
  readonly eventType: string;
  /** Read from the archive: what has left the stream, and what is in both up to the end of the archive. */
  readonly archived: number;
  readonly streamed: number;
}

/**
 * Reads through a planned replay and counts, by event type. An event that was published twice counts twice.
 * @throws HistoryGapError, DamagedObjectError, MissingObjectError as the replay would.
 */
export async function previewReplay(history: History, plan: ReplayPlan): Promise<ReplayCount[]> {
  const counts = new Map<string, { archived: number; streamed: number }>();
  const count = ({ fields }: StreamEntry, place: 'archived' | 'streamed') => {
    if (!isWanted(plan.filter, { fields })) return;
    const eventType = fields.event_type ?? '';
    const known = counts.get(eventType) ?? { archived: 0, streamed: 0 };
    known[place] += 1;
    counts.set(eventType, known);
  };
  for (const { stream, firstId, lastId } of plan.ranges) {
    const range = { stream, to: lastId ?? undefined, mayBeGone: toleranceOf(plan.filter.occurredFrom) };
    let after = firstId;
    for await (const entry of readLeftEntries(history, { ...range, after })) {
      count(entry, 'archived');
      after = entry.id;
    }
    for await (const entry of readHistory(history, { ...range, after })) count(entry, 'streamed');
  }
  return [...counts]
    .map(([eventType, found]) => ({ eventType, ...found }))
    .sort((a, b) => (a.eventType < b.eventType ? -1 : 1));
}

/** Up to which entry those of a range of time may be gone: what was published before it begins is only looked through. */
export function toleranceOf(occurredFrom: Date | null): string | undefined {
  return occurredFrom === null ? undefined : `${occurredFrom.getTime()}-0`;
}
