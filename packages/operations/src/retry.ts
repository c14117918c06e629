import { setTimeout as delay } from 'node:timers/promises';
import { type BusDatabase, recordAction, recordActionCount } from '@event-bus/database';
import {
  countGone,
  isLed,
  isParked,
  requestRetry as markForRetry,
  readEventStatus,
  readRetryProgress,
} from '@event-bus/outbox/log';
import type { Kysely } from 'kysely';
import { NotParkedError } from './errors.ts';
import type { OperatorRequest } from './operator-request.ts';
import type { OutboxPool } from './outbox-pool.ts';

const pollMs = 100;

/** What became of a retry. */
export interface RetryOutcome {
  /** Events that were to be tried again. */
  readonly requested: number;
  readonly published: number;
  /** Tried, and parked again. */
  readonly parkedAgain: number;
  /** Why the first of those is. */
  readonly reason: string | null;
  /** Forgotten, because the log does not hold them any more: they can never be published. */
  readonly gone: number;
  /** Not tried yet. */
  readonly waiting: number;
  /** Whether a publisher leads: without one, what waits goes on waiting. */
  readonly isLed: boolean;
}

const nothing = { requested: 0, published: 0, parkedAgain: 0, reason: null, gone: 0, waiting: 0 };

/** What is to be tried again, and for how long to wait for it. */
export interface RetryRequest extends OperatorRequest {
  readonly which: { readonly eventId: string } | 'all';
  readonly patienceMs: number;
}

/**
 * Asks for parked events to be tried again, the whole aggregate of the one that is named or all of them, and waits
 * for the publisher to do so. The request is on record, and stands also when the time is up.
 * @throws NotParkedError the named event is not parked; nothing is on record.
 */
export async function requestRetry(
  { pool, db }: { readonly pool: OutboxPool; readonly db: Kysely<BusDatabase> },
  { which, patienceMs, operator, reason }: RetryRequest,
): Promise<RetryOutcome> {
  if (!(await isParked(pool, which))) {
    if (which === 'all') return { ...nothing, isLed: await isLed(pool) };
    throw new NotParkedError(which.eventId, (await readEventStatus(pool, which.eventId))?.status);
  }
  // First the record: killed behind it, something stands in it that did not happen, and never the reverse.
  const details = which === 'all' ? { all: true } : which;
  const actionId = await db
    .transaction()
    .execute((trx) => recordAction(trx, { operator, action: 'retry', group: null, reason, details }));
  const positions = await markForRetry(pool, which);
  await recordActionCount(db, actionId, positions.length);
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { requested, parked, reason } = await readRetryProgress(pool, positions);
    if (requested === 0 || performance.now() >= deadline) {
      const gone = await countGone(pool, positions);
      return {
        requested: positions.length,
        published: positions.length - parked - requested - gone,
        parkedAgain: parked,
        reason,
        gone,
        waiting: requested,
        isLed: await isLed(pool),
      };
    }
    await delay(pollMs);
  }
}
