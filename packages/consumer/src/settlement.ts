import type { Delivery } from '@event-bus/transport';

/** The right to handle a stream of an ordered group, proven inside every handler's transaction. */
export interface Lease {
  readonly stream: string;
  readonly token: bigint;
}

/** One delivery that is to be handled, with the number this attempt would have. */
export interface Work {
  readonly delivery: Delivery;
  /** 1 for the first. */
  readonly attempt: number;
  /** Present in ordered groups. */
  readonly lease?: Lease;
}

/**
 * How a delivery ended.
 * - `settled`: the inbox says so (handled now, skipped, or handled before): acknowledge it.
 * - `failed`: the handler threw, timed out or asked to try later: the attempt counts (`counted`), try again after `delayMs`.
 * - `held-back`: an earlier event of its aggregate has to be handled first: nothing counts, it keeps its place.
 * - `given-up`: no retry can mend it, or the attempts are used up: record it, and leave it to be dead-lettered.
 * - `unhandled`: this consumer has no handler for its type; `eventType` is what another runner's may handle.
 * - `interrupted`: not the event's fault (shutdown, database away, lease lost): nothing counts, hand it back or try again.
 */
export type Settlement =
  | { readonly kind: 'settled'; readonly how: 'done' | 'skipped' | 'duplicate' }
  | {
      readonly kind: 'failed';
      readonly counted: boolean;
      readonly reason: 'error' | 'timeout' | 'retry-after';
      readonly error: unknown;
      readonly delayMs: number;
      /** What is wrong with the backoff of its handler. `delayMs` is then that of the default one. */
      readonly backoffFault?: string;
    }
  | { readonly kind: 'held-back'; readonly behind: string }
  | {
      readonly kind: 'given-up';
      /** `held`: an earlier event of its aggregate is dead, and the group holds the later ones. */
      readonly why: 'attempts' | 'declined' | 'undecodable' | 'held';
      readonly reason: string;
      readonly error: unknown;
    }
  | { readonly kind: 'unhandled'; readonly eventType: string }
  | {
      readonly kind: 'interrupted';
      readonly cause: 'shutdown' | 'database' | 'fenced';
      readonly error: unknown;
    };

/** What is told of a handling before it ends. Neither call may throw. */
export interface Progress {
  /**
   * Nothing is left to do but to wait for the reply to COMMIT: what is handed over within the call begins on the same
   * connection, in the same write. Not called for what does not get that far.
   */
  readonly committing: () => void;
  /** Nothing was committed, and what was given is handled anew. */
  readonly again: () => void;
}

/** Handles deliveries of one group. Handling never rejects: every end is a settlement. */
export interface Dispatcher {
  /** Handles one delivery in a transaction of its own (`transaction: 'event'`). */
  handle(work: Work, signal: AbortSignal, progress?: Progress): Promise<Settlement>;
  /** Handles several deliveries in one transaction (`transaction: 'batch'`); one settlement per work, in order. */
  handleTogether(works: readonly Work[], signal: AbortSignal, progress?: Progress): Promise<Settlement[]>;
  /**
   * Those of the deliveries that the inbox has settled already, with whatever outcome. Unlike the others it rejects
   * when it cannot tell.
   */
  findSettled(deliveries: readonly Delivery[], signal: AbortSignal): Promise<ReadonlySet<Delivery>>;
}
