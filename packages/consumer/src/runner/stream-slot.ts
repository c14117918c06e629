import type { GroupRef } from '@event-bus/transport';
import type { Lease } from '../settlement.ts';
import { type Bell, createBell } from './bell.ts';

/**
 * One stream of the group, as this runner stands to it.
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
 *     live -> missing         the server says that the group is gone
 *     any -> standby          the lease was lost
 */
export interface StreamSlot extends GroupRef {
  readonly state: 'standby' | 'missing' | 'recovering' | 'live';
  /** Present in ordered groups while this runner has the right to handle the stream. */
  readonly lease: Lease | undefined;
  /** Aborts the handlers of this stream: the runner is stopped, or has lost the lease. */
  readonly signal: AbortSignal;
  /** Rings when the state changes. */
  readonly changed: Bell;
  /** Until when the lease lasts if it is not renewed, by `performance.now()`; without end where none is needed. */
  readonly leaseUntil: number;
  leaseAcquired(token: bigint, until: number): void;
  leaseRenewed(until: number): void;
  leaseLost(): void;
  groupMissing(): void;
  groupCreated(): void;
  /** Something pending may not be held: claim it before anything newer is read. Ordered groups only need this. */
  mayHaveMissed(): void;
  /** The claim of all that was pending ended; of no effect if something happened to the stream meanwhile. */
  recovered(began: symbol): void;
  /** Names the present recovery. */
  readonly recovery: symbol;
}

/** Creates the slot of a stream. Aborting `abort` aborts its handlers; `onChange` is told of every change of state. */
export function createStreamSlot(
  ref: GroupRef,
  options: { readonly ordered: boolean; readonly abort: AbortSignal; readonly onChange: () => void },
): StreamSlot {
  const { ordered, abort, onChange } = options;
  const changed = createBell();
  let state: StreamSlot['state'] = ordered ? 'standby' : 'missing';
  let lease: Lease | undefined;
  let leaseUntil = Number.POSITIVE_INFINITY;
  let recovery = Symbol(ref.stream);
  let handlers = new AbortController();
  abort.addEventListener('abort', () => handlers.abort(abort.reason), { once: true });

  function become(next: StreamSlot['state']): void {
    state = next;
    recovery = Symbol(ref.stream);
    changed.ring();
    onChange();
  }

  return {
    ...ref,
    get state() {
      return state;
    },
    get lease() {
      return lease;
    },
    get leaseUntil() {
      return leaseUntil;
    },
    get signal() {
      return handlers.signal;
    },
    get recovery() {
      return recovery;
    },
    changed,
    leaseAcquired(token, until) {
      lease = { stream: ref.stream, token };
      leaseUntil = until;
      handlers = new AbortController();
      if (abort.aborted) handlers.abort(abort.reason);
      become('missing');
    },
    leaseRenewed(until) {
      leaseUntil = until;
    },
    leaseLost() {
      if (lease === undefined) return;
      lease = undefined;
      handlers.abort(new Error(`the lease of ${ref.stream} was lost`));
      become('standby');
    },
    groupMissing() {
      if (state !== 'standby') become('missing');
    },
    groupCreated() {
      if (state === 'missing') become(ordered ? 'recovering' : 'live');
    },
    mayHaveMissed() {
      if (ordered && (state === 'live' || state === 'recovering')) become('recovering');
    },
    recovered(began) {
      if (state === 'recovering' && recovery === began) become('live');
    },
  };
}
