import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ConsumerDefinition,
  consumersFor,
  type Duration,
  deadLetter,
  exponential,
  type HandlerContext,
  type HandlerResult,
  retryAfter,
  skip,
} from '@event-bus/consumer';
import { type EventOf, projectCreated, userRenamed } from '@event-bus/contracts';

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
  readonly startFrom?: 'beginning' | 'now' | 'archive';
  readonly transaction?: 'event' | 'batch';
  readonly concurrency?: number;
  readonly timeout?: Duration;
  /** How long each handler takes after it has written. */
  readonly handlerMs?: number;
  /** How its process dies of an event named `lethal`. */
  readonly death?: 'kill' | 'exit' | 'block';
  /** Whether it has taken up another topic: projects that are created. */
  readonly projects?: boolean;
}

type Misdeed = (signal: AbortSignal, attempt: number) => HandlerResult | Promise<HandlerResult>;

/** What an event's name makes its handler do after it has written. Any other name: nothing. */
const misdeeds: Readonly<Record<string, Misdeed>> = {
  poison: () => {
    throw new Error('this name cannot be handled');
  },
  recover: (_, attempt) => {
    if (attempt < 3) throw new Error('this name cannot be handled yet');
  },
  hang: () => new Promise(() => undefined),
  kill: () => void process.kill(process.pid, 'SIGKILL'),
  exit: () => process.exit(3),
  block: () => {
    // Not through the logger, which writes later.
    writeSync(1, 'the event loop is blocked\n');
    for (;;);
  },
  linger: async (signal) => {
    writeSync(1, 'the handler lingers\n');
    await delay(1_000, undefined, { signal });
  },
  skip: () => skip('of no interest'),
  defer: () => retryAfter('1h'),
  decline: () => deadLetter('of no use'),
};

/** A consumer that writes down what it handles, and then does what the name of the event asks for. */
export function ledgerConsumer(options: LedgerOptions): ConsumerDefinition {
  const { handlerMs = 0, death = 'kill', projects = false, ...rest } = options;
  const { defineConsumer, on } = consumersFor<{ ledger: LedgerTable }>();
  async function handle(
    event: EventOf<typeof userRenamed | typeof projectCreated>,
    { trx, attempt, signal }: HandlerContext<{ ledger: LedgerTable }>,
  ): Promise<HandlerResult> {
    const { name } = event.payload;
    await trx
      .insertInto('ledger')
      .values({
        consumer_group: options.group,
        event_id: event.id,
        aggregate_id: event.aggregateId,
        name,
        pid: process.pid,
        attempt,
      })
      .execute();
    if (handlerMs > 0) await delay(handlerMs, undefined, { signal });
    return misdeeds[name === 'lethal' ? death : name]?.(signal, attempt);
  }

  return defineConsumer({
    ...rest,
    retry: { maxAttempts: 3, backoff: exponential('50ms', { max: '100ms' }) },
    handlers: [on(userRenamed, handle), ...(projects ? [on(projectCreated, handle)] : [])],
  });
}
