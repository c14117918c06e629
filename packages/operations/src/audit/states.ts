import type { EventAccount } from '@event-bus/inbox';
import type { LoggedEvent } from '@event-bus/outbox/log';

/** Where an entry of an event stands for a group. `acknowledged`: handed out, and pending no more. */
export type EntryState = 'unread' | 'in-flight' | 'retrying' | 'given-up' | 'acknowledged';

/**
 * What an event is to a group. Exactly one at any time:
 *
 *     unpublished   appended and not in its stream; also what Redis has lost and the publisher writes again
 *     parked        cannot be written, or waits behind what cannot
 *     unread        in its stream, and not handed to the group yet; also what is to come to it from the archive
 *     in-flight     handed to a runner, or handed back by one
 *     retrying      failed, and to be tried again
 *     given-up      failed for good, and waits for the dlq-mover
 *     done          its handler's effects are committed
 *     skipped       its handler said so
 *     passed-over   the group had no handler for its type
 *     before-start  stood in the stream before the group began, which starts at 'now'
 *     dead          a dead letter
 *     redriving     a dead letter that is to be handled again
 *     discarded     somebody decided that it never will be handled
 *     forgotten     trimmed from its stream, and the inbox does not know it
 *
 * Or else a fault: `missing`, it is in none of these; `contradictory`, the inbox and the letter do not agree.
 */
export type EventState =
  | 'unpublished'
  | 'parked'
  | Exclude<EntryState, 'acknowledged'>
  | 'done'
  | 'skipped'
  | 'passed-over'
  | 'before-start'
  | 'dead'
  | 'redriving'
  | 'discarded'
  | 'forgotten'
  | 'missing'
  | 'contradictory';

/** All that is known of one event and one group. */
export interface Evidence {
  readonly status: LoggedEvent['status'];
  readonly account: EventAccount;
  readonly isBeforeStart: boolean;
  /** The group had a handler for its type when it was appended. */
  readonly isHandled: boolean;
  /** Its entries; several if it was written more than once. */
  readonly entries: readonly EntryState[];
  /** Its stream has lost the end of its history, and this event with it. */
  readonly isToBeRewritten: boolean;
  /** Its stream was trimmed on purpose beyond where it stood. */
  readonly isTrimmed: boolean;
  /** The group starts from the archive, and is not through with what that has of the stream. */
  readonly isHistoryOpen: boolean;
}

/** What the inbox and the letter say, or `undefined` if neither knows the event. */
export function settledState({ outcome, letter }: EventAccount): EventState | undefined {
  switch (outcome) {
    case null:
      return letter === null ? undefined : 'contradictory';
    case 'done':
    case 'skipped':
      return letter === null || letter === 'done' ? outcome : 'contradictory';
    case 'dead':
      return letter === 'dead' || letter === 'redriving' ? letter : 'contradictory';
    case 'discarded':
      return letter === null || letter === 'discarded' ? outcome : 'contradictory';
  }
}

const waitingFirst = ['given-up', 'retrying', 'in-flight', 'unread'] as const;

/** The one state that an event is in. */
export function stateOf(evidence: Evidence): EventState {
  const { status, entries } = evidence;
  const settled = settledState(evidence.account);
  if (settled !== undefined) return settled;
  if (evidence.isBeforeStart) return 'before-start';
  if (status === 'parked') return 'parked';
  if (status === 'pending') return 'unpublished';
  const waiting = waitingFirst.find((state) => entries.includes(state));
  if (waiting !== undefined) return waiting;
  if (evidence.isToBeRewritten) return 'unpublished';
  if (!evidence.isHandled) return 'passed-over';
  if (!evidence.isTrimmed) return 'missing';
  return evidence.isHistoryOpen ? 'unread' : 'forgotten';
}

/** Whether no event may be in this state. */
export function isFault(state: EventState): state is 'missing' | 'contradictory' {
  return state === 'missing' || state === 'contradictory';
}
