import type { BusDatabase } from '@event-bus/database';
import type { AggregatePosition, InboxRow } from '@event-bus/inbox';
import type { Transaction } from 'kysely';
import type { HandlerResult } from '../handler.ts';
import type { Lease } from '../settlement.ts';

/** One event in a transaction. */
export interface Member {
  readonly row: InboxRow;
  /** Present if it must wait behind dead letters of its aggregate. */
  readonly heldBy?: AggregatePosition;
  /** It was injected for this group: if it is dead by now, somebody may have asked for it to be handled again. */
  readonly injected: boolean;
  readonly lease?: Lease;
  /** Members with the same key are handled one after the other. */
  readonly aggregate: string;
  readonly timeoutMs: number;
  readonly handle: (
    trx: Transaction<BusDatabase>,
    signal: () => AbortSignal,
  ) => HandlerResult | Promise<HandlerResult>;
}

/** What became of an event whose transaction was committed, or that needed none. */
export interface Committed {
  readonly how: 'done' | 'skipped' | 'duplicate';
  /** The event came after the one at this position of its aggregate, which is higher. */
  readonly invertedAfter?: bigint;
}

/** Why a transaction was not committed although nothing was wrong with its events. */
export interface Interruption {
  readonly kind: 'interrupted';
  readonly cause: 'shutdown' | 'database' | 'fenced';
  readonly error: unknown;
}
