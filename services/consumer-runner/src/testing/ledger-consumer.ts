import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumerDefinition, consumersFor, exponential } from '@event-bus/consumer';
import { userRenamed } from '@event-bus/contracts';

/** The statement that creates {@link LedgerTable}. It has no key: an effect that happens twice shows. */
export const createLedger = `create table ledger (
  number bigint generated always as identity, consumer_group text not null, event_id uuid not null,
  aggregate_id text not null, name text not null, pid integer not null, attempt integer not null
)`;

/** What handlers did, in the order in which they did it. */
export interface LedgerTable {
  readonly consumer_group: string;
  readonly event_id: string;
  readonly aggregate_id: string;
  readonly name: string;
  readonly pid: number;
  readonly attempt: number;
}

/** How a ledger's handlers behave. */
export interface LedgerOptions {
  readonly group: string;
  readonly ordering: 'none' | 'aggregate';
  readonly transaction?: 'event' | 'batch';
  readonly concurrency?: number;
  /** How long each handler takes after it has written. */
  readonly handlerMs?: number;
}

/** A consumer that writes down what it handles. A name of `poison` makes its handler throw, each time. */
export function ledgerConsumer({
  group,
  ordering,
  transaction,
  concurrency,
  handlerMs = 0,
}: LedgerOptions): ConsumerDefinition {
  const { defineConsumer, on } = consumersFor<{ ledger: LedgerTable }>();
  return defineConsumer({
    group,
    ordering,
    ...(transaction === undefined ? {} : { transaction }),
    ...(concurrency === undefined ? {} : { concurrency }),
    retry: { maxAttempts: 3, backoff: exponential('50ms', { max: '100ms' }) },
    handlers: [
      on(userRenamed, async (event, { trx, attempt, signal }) => {
        await trx
          .insertInto('ledger')
          .values({
            consumer_group: group,
            event_id: event.id,
            aggregate_id: event.aggregateId,
            name: event.payload.name,
            pid: process.pid,
            attempt,
          })
          .execute();
        if (event.payload.name === 'poison') throw new Error('this name cannot be handled');
        if (handlerMs > 0) await delay(handlerMs, undefined, { signal });
      }),
    ],
  });
}
