import type { AnyEventDefinition, EventOf, ReceivedEvent } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import type { Transaction } from 'kysely';
import type { Duration } from './duration.ts';
import type { HandlerOutcome } from './outcome.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** What a handler is given besides its event. */
export interface HandlerContext<DB = BusDatabase> {
  /**
   * The transaction that also records the event as handled: what is written through it is kept exactly once, or
   * not at all. It ends with the handler; statements that come later are refused.
   */
  readonly trx: Transaction<DB>;
  /** Adds the event, the group and the attempt to every line. */
  readonly log: Logger;
  /** Aborts when the time is up or the runner stops; nothing the handler does afterwards is kept. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for every attempt and duplicate of this event in this group: for effects outside the database. */
  readonly idempotencyKey: string;
}

/** What a handler returns: nothing when it is done, or an outcome. A throw is a failed attempt. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement returns void.
export type HandlerResult = void | HandlerOutcome;

/** Handles one event. */
export type Handler<Definition extends AnyEventDefinition, DB = BusDatabase> = (
  event: EventOf<Definition>,
  context: HandlerContext<DB>,
) => HandlerResult | Promise<HandlerResult>;

/** What one handler may state for itself; the rest is the consumer's. */
export interface HandlerOptions {
  readonly timeout?: Duration;
  readonly retry?: Partial<RetryPolicy>;
}

/** A handler with its event, the types of both settled. `DB` is what its transaction must offer. */
export interface Handling<DB = BusDatabase> {
  readonly definition: AnyEventDefinition;
  readonly options: HandlerOptions;
  readonly handle: (
    event: ReceivedEvent,
    context: HandlerContext<DB>,
  ) => HandlerResult | Promise<HandlerResult>;
}

/** Says which handler handles an event. */
export interface On<DB> {
  <Definition extends AnyEventDefinition>(
    definition: Definition,
    handler: Handler<Definition, DB>,
  ): Handling<DB>;
  <Definition extends AnyEventDefinition>(
    definition: Definition,
    options: HandlerOptions,
    handler: Handler<Definition, DB>,
  ): Handling<DB>;
}

/** The `on` of a database. */
export function createOn<DB>(): On<DB> {
  return <Definition extends AnyEventDefinition>(
    definition: Definition,
    second: HandlerOptions | Handler<Definition, DB>,
    third?: Handler<Definition, DB>,
  ): Handling<DB> => {
    const [options, handler] = typeof second === 'function' ? [{}, second] : [second, third];
    // The catalogue only ever hands it events of its own definition.
    return Object.freeze({ definition, options, handle: handler as Handling<DB>['handle'] });
  };
}
