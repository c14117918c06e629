import type { Lease } from '../settlement.ts';
import { type Bell, createBell } from './bell.ts';
import { createFeed, type Feed } from './feed.ts';

/**
 * One stream of the group, as this runner stands to it: whether it may handle it, and the two feeds through which it
 * reads it. In an ordered group it may only while it holds the stream's lease.
 */
export interface StreamSlot {
  readonly stream: string;
  /** The stream itself, and what is injected beside it for this group only. */
  readonly feeds: readonly Feed[];
  /** Present in ordered groups while this runner has the right to handle the stream. */
  readonly lease: Lease | undefined;
  /** Until when the lease lasts if it is not renewed, by `performance.now()`; without end where none is needed. */
  readonly leaseUntil: number;
  /** Aborts the handlers of this stream: the runner is stopped, or has lost the lease. */
  readonly signal: AbortSignal;
  /** Rings when the lease is acquired or lost. */
  readonly changed: Bell;
  leaseAcquired(token: bigint, until: number): void;
  leaseRenewed(until: number): void;
  leaseLost(): void;
}

/** Creates the slot of a stream. Aborting `abort` aborts its handlers; `onChange` is told of every change of a feed. */
export function createStreamSlot(
  { stream, group }: { readonly stream: string; readonly group: string },
  options: { readonly ordered: boolean; readonly abort: AbortSignal; readonly onChange: () => void },
): StreamSlot {
  const { ordered, abort, onChange } = options;
  const changed = createBell();
  const feeds = [
    createFeed({ stream, group }, { ordered, onChange }),
    createFeed({ stream, group, injected: true }, { ordered, onChange }),
  ];
  let lease: Lease | undefined;
  let leaseUntil = Number.POSITIVE_INFINITY;
  let handlers = new AbortController();
  abort.addEventListener('abort', () => handlers.abort(abort.reason), { once: true });

  return {
    stream,
    feeds,
    get lease() {
      return lease;
    },
    get leaseUntil() {
      return leaseUntil;
    },
    get signal() {
      return handlers.signal;
    },
    changed,
    leaseAcquired(token, until) {
      lease = { stream, token };
      leaseUntil = until;
      handlers = new AbortController();
      if (abort.aborted) handlers.abort(abort.reason);
      for (const feed of feeds) feed.admitted();
      changed.ring();
    },
    leaseRenewed(until) {
      leaseUntil = until;
    },
    leaseLost() {
      if (lease === undefined) return;
      lease = undefined;
      handlers.abort(new Error(`the lease of ${stream} was lost`));
      for (const feed of feeds) feed.dismissed();
      changed.ring();
    },
  };
}
