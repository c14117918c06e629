import { type EventState, isFault } from './states.ts';

/** What became of all that was appended for one group. */
export interface GroupAccount {
  readonly group: string;
  /** As many as the states have together. */
  readonly appended: number;
  /** Need nothing more: done, skipped, discarded, passed over, before the group's start, forgotten. */
  readonly settled: number;
  /** Dead letters, those too that are to be handled again. */
  readonly deadLettered: number;
  /** Anything else that is accounted for. */
  readonly waiting: number;
  readonly states: Readonly<Partial<Record<EventState, number>>>;
}

/** An event that is in no state, or in two. */
export interface AuditFault {
  readonly group: string;
  readonly eventId: string;
  readonly position: number;
  readonly topic: string;
  readonly eventType: string;
  readonly state: 'missing' | 'contradictory';
  /** What the inbox says, and the dead letter; `null` where it says nothing. */
  readonly outcome: string | null;
  readonly letter: string | null;
}

/** What an audit found. */
export interface AuditReport {
  /** The name of the outbox whose events were accounted for; `null` until it is published. */
  readonly source: string | null;
  /** Positions that were read, both included; `null` if the log holds nothing of what was asked for. */
  readonly positions: { readonly first: number; readonly last: number } | null;
  /** The first position that the log still holds; what was appended below it is no longer known. */
  readonly knownFrom: number | null;
  readonly groups: readonly GroupAccount[];
  /** In the order of the log, at most as many as were asked for. */
  readonly faults: readonly AuditFault[];
  /** How many more there are. */
  readonly otherFaults: number;
  /** Registered groups whose inbox is not in the database that was looked at. */
  readonly unseenGroups: readonly string[];
  /** Other outboxes that wrote to the groups' streams: their events are accounted for in their own databases. */
  readonly otherSources: readonly string[];
}

/** Whether every event of every group that was asked for is accounted for. */
export function isProven({ groups, unseenGroups }: AuditReport): boolean {
  return unseenGroups.length === 0 && groups.every(({ states }) => !states.missing && !states.contradictory);
}

const settled: readonly EventState[] = [
  'done',
  'skipped',
  'discarded',
  'passed-over',
  'before-start',
  'forgotten',
];
const dead: readonly EventState[] = ['dead', 'redriving'];

/** Adds up the states of one group. */
export function toAccount(group: string, counts: ReadonlyMap<EventState, number>): GroupAccount {
  const sum = (belongs: (state: EventState) => boolean) =>
    [...counts].reduce((total, [state, count]) => (belongs(state) ? total + count : total), 0);
  return {
    group,
    appended: sum(() => true),
    settled: sum((state) => settled.includes(state)),
    deadLettered: sum((state) => dead.includes(state)),
    waiting: sum((state) => !settled.includes(state) && !dead.includes(state) && !isFault(state)),
    states: Object.fromEntries(counts),
  };
}
