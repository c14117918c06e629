import { type Delivery, type GroupRef, placeKey } from '@event-bus/transport';
import { type Bell, createBell } from './bell.ts';

/**
 * One of the two places of a stream that a group reads.
 *
 *     standby     ordered groups: another runner has the lease          nothing is read or claimed
 *     missing     the group is not known to exist on the server         it is created, at the beginning
 *     recovering  ordered groups: what is pending may not all be held   all that is pending is claimed, oldest first
 *     live        new entries may follow                                read, and searched for entries to take over
 *
 *     standby -> missing      the lease was acquired
 *     missing -> recovering   created; live at once if the group is not ordered
 *     recovering -> live      the whole pending list was claimed
 *     live -> recovering      a reply was lost, or entries were taken away: something older may be pending, unseen
 *     live -> missing         the server says that the group is gone, or that there is no such thing to read
 *     any -> standby          the lease was lost
 */
export interface Feed extends GroupRef {
  /** Its key on the server. */
  readonly place: string;
  readonly state: 'standby' | 'missing' | 'recovering' | 'live';
  /**
   * While live, in ordered groups: the last entry that was handed out to the group. What follows it must not be passed over.
   */
  readonly after: string | undefined;
  /** Rings when the state changes. */
  readonly changed: Bell;
  /** Names the present recovery. */
  readonly recovery: symbol;
  /** Whether a delivery came through this feed. */
  brought(delivery: Pick<Delivery, 'stream' | 'injected'>): boolean;
  /** This runner may handle the stream. */
  admitted(): void;
  /** It may not any more. */
  dismissed(): void;
  groupMissing(): void;
  groupCreated(): void;
  /** Something pending may not be held: claim it before anything newer is read. Ordered groups only need this. */
  mayHaveMissed(): void;
  /**
   * The claim of all that was pending ended, and more than that was not handed out; of no effect if something happened to
   * the feed meanwhile.
   */
  recovered(began: symbol, lastDelivered: string): void;
  /** A read brought entries, of which this is the last. */
  readTo(id: string): void;
}

/** Creates a feed. `onChange` is told of every change of state. */
export function createFeed(
  ref: GroupRef,
  { ordered, onChange }: { readonly ordered: boolean; readonly onChange: () => void },
): Feed {
  const changed = createBell();
  const place = placeKey(ref);
  let state: Feed['state'] = ordered ? 'standby' : 'missing';
  let recovery = Symbol(place);
  let after: string | undefined;

  function become(next: Feed['state']): void {
    state = next;
    recovery = Symbol(place);
    after = undefined;
    changed.ring();
    onChange();
  }

  return {
    ...ref,
    place,
    get state() {
      return state;
    },
    get recovery() {
      return recovery;
    },
    get after() {
      return after;
    },
    changed,
    brought: ({ stream, injected }) => stream === ref.stream && injected === ref.injected,
    admitted: () => become('missing'),
    dismissed: () => become('standby'),
    groupMissing() {
      if (state !== 'standby') become('missing');
    },
    groupCreated() {
      if (state === 'missing') become(ordered ? 'recovering' : 'live');
    },
    mayHaveMissed() {
      if (ordered && (state === 'live' || state === 'recovering')) become('recovering');
    },
    recovered(began, lastDelivered) {
      if (state !== 'recovering' || recovery !== began) return;
      become('live');
      after = lastDelivered;
    },
    readTo(id) {
      if (after !== undefined) after = id;
    },
  };
}
