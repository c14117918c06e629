import type { ConsumerDefinition, ResolvedHandling } from './define-consumer.ts';
import { DeadLetterRequestedError, HeldBehindDeadLetterError, RetryRequestedError } from './errors.ts';
import type { HandlerOutcome } from './outcome.ts';
import { defaultRetry, delayAfter } from './retry-policy.ts';
import type { Settlement, Work } from './settlement.ts';
import type { EventEnd } from './transaction/event-transaction.ts';

/** What a settlement is derived from besides the end of the transaction. */
export interface SettleContext {
  readonly consumer: ConsumerDefinition;
  readonly handling: ResolvedHandling;
  readonly work: Work;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Turns the end of an event's transaction into its settlement: which failures count, and when they are tried again. Never
 * throws: nothing would then be known of the event, and its neighbours.
 */
export function settle(end: EventEnd, context: SettleContext): Settlement {
  switch (end.kind) {
    case 'committed':
      return { kind: 'settled', how: end.how };
    case 'interrupted':
      return { kind: 'interrupted', cause: end.cause, error: end.error };
    case 'unrecordable':
      return {
        kind: 'given-up',
        why: 'undecodable',
        reason: `unrecordable: ${end.error.message}`,
        error: end.error,
      };
    case 'conflict':
      return settleFailure('error', end.error, context);
    case 'held':
      return settleHeld(end.behind);
    case 'failed':
      return settleFailure(end.reason, end.error, context);
    case 'declined':
      return settleDeclined(end.outcome, context);
  }
}

function settleDeclined(
  outcome: Exclude<HandlerOutcome, { kind: 'skip' }>,
  context: SettleContext,
): Settlement {
  const { reason } = outcome;
  if (outcome.kind === 'dead-letter') {
    const error = new DeadLetterRequestedError(reason);
    return { kind: 'given-up', why: 'declined', reason: `dead-lettered by its handler: ${reason}`, error };
  }
  const error = new RetryRequestedError(reason);
  const { delayMs } = outcome;
  if (context.now - enteredAt(context) < context.consumer.maxDeferralMs) {
    return { kind: 'failed', counted: false, reason: 'retry-after', error, delayMs };
  }
  const settlement = settleFailure('retry-after', error, context);
  return settlement.kind === 'failed'
    ? { ...settlement, delayMs: Math.max(delayMs, settlement.delayMs) }
    : settlement;
}

function settleHeld(behind: string): Settlement {
  const error = new HeldBehindDeadLetterError(behind);
  return { kind: 'given-up', why: 'held', reason: error.message, error };
}

function settleFailure(
  reason: 'error' | 'timeout' | 'retry-after',
  error: unknown,
  { handling, work }: SettleContext,
): Settlement {
  const { maxAttempts, backoff } = handling.retry;
  if (work.attempt >= maxAttempts) {
    const used = `attempts used up: ${work.attempt} of ${maxAttempts} failed`;
    return { kind: 'given-up', why: 'attempts', reason: used, error };
  }
  const failed = { kind: 'failed', counted: true, reason, error } as const;
  const delay = delayAfter(work.attempt, backoff);
  return 'delayMs' in delay
    ? { ...failed, delayMs: delay.delayMs }
    : { ...failed, delayMs: defaultRetry.backoff(work.attempt), backoffFault: delay.fault };
}

/** Entry IDs begin with the time at which the server took the entry. */
function enteredAt({ work, now }: SettleContext): number {
  const time = /^(\d+)-/.exec(work.delivery.id)?.[1];
  return time === undefined ? now : Number(time);
}
