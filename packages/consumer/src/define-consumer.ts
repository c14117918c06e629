import type { Topic } from '@event-bus/contracts';
import type { BusDatabase } from '@event-bus/database';
import { createChecks } from './definition-checks.ts';
import type { Duration } from './duration.ts';
import { ConsumerDefinitionError } from './errors.ts';
import { createOn, type Handling, type On } from './handler.ts';
import { defaultRetry, type RetryPolicy } from './retry-policy.ts';

/** What a consumer may state; all but `group` and `handlers` has a default. */
export interface ConsumerOptions<DB = BusDatabase> {
  /** The name under which the group reads and its inbox remembers. Permanent: another name is another group. */
  readonly group: string;
  /**
   * `aggregate`: events of one aggregate are handled in order, and one that is to be retried holds back those
   * behind it. `none` (the default): events are handled as they come; a failed one is overtaken.
   */
  readonly ordering?: 'none' | 'aggregate';
  /**
   * Where a group that is new begins: with all that is still in the streams (the default), with what comes, or with all
   * that is in the archive, before what is in the streams. Needs a replayer, which brings it.
   */
  readonly startFrom?: 'beginning' | 'now' | 'archive';
  /** Default: 5 attempts, `exponential('1s', { max: '5m' })`. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Ordered groups: whether an aggregate's later events go on after a dead letter (`continue`, the default), or wait
   * behind it (`hold`), as dead letters themselves, until it is redriven or discarded.
   */
  readonly onDeadLetter?: 'continue' | 'hold';
  /**
   * When handlers of so many different aggregates fail in a row, something that all need is taken to be down: nothing
   * is started for a while, single events are tried, and no attempt counts until they succeed. Default 10; `false`
   * turns it off.
   */
  readonly circuitBreaker?: { readonly aggregates: number } | false;
  /** How long a handler may take. Default `30s`. */
  readonly timeout?: Duration;
  /** How long after it entered the stream an event may be deferred with `retryAfter` at no cost. Default `1d`. */
  readonly maxDeferral?: Duration;
  /** Transactions at a time in one process. Default 16, or 2 with `transaction: 'batch'`. */
  readonly concurrency?: number;
  /**
   * `event` (the default): a transaction per event. `batch`: many events in one, several times faster, for
   * handlers that do nothing but write to the database; what would reach into the work of neighbours is refused.
   */
  readonly transaction?: 'event' | 'batch';
  /** Most events in one transaction, with `transaction: 'batch'`. Default 100. */
  readonly batchSize?: number;
  /**
   * What becomes of an event whose type is in no catalogue of this program. `dead-letter` (the default) loses
   * nothing; `skip` is for groups that follow a topic to which others add types before this program knows them.
   * Types that are known but have no handler here are none of this group's business: they are passed over without
   * a trace. A version of a handled type that cannot be read is dead-lettered in either case.
   */
  readonly unknownEvents?: 'skip' | 'dead-letter';
  readonly handlers: readonly Handling<DB>[];
}

/** A handler with all that holds for it. Which tables its transaction must offer was checked where it was declared. */
export interface ResolvedHandling extends Handling {
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

/** A consumer, checked and complete. Made by {@link defineConsumer}, run by a runner. */
export interface ConsumerDefinition {
  readonly group: string;
  /** Those of the handled events. */
  readonly topics: readonly Topic[];
  readonly ordering: 'none' | 'aggregate';
  readonly startFrom: 'beginning' | 'now' | 'archive';
  readonly transaction: 'event' | 'batch';
  readonly concurrency: number;
  readonly batchSize: number;
  readonly unknownEvents: 'skip' | 'dead-letter';
  readonly maxDeferralMs: number;
  readonly onDeadLetter: 'continue' | 'hold';
  /** How often an entry is handed out before its processes are taken to have died of it. */
  readonly maxDeliveries: number;
  /** Aggregates that must fail in a row; 0: never. */
  readonly circuitThreshold: number;
  /** The types of the handled events. */
  readonly events: readonly string[];
  /** By event type. */
  readonly handlings: ReadonlyMap<string, ResolvedHandling>;
  /** Registered with the group, for operators to see. */
  readonly policy: Readonly<Record<string, unknown>>;
}

// The first two times a process dies it may have died of any event it held: only the third tells.
const fewestDeliveries = 3;

/**
 * Declares a consumer: a group and what it does with which events. The result is frozen; nothing runs yet.
 * @throws ConsumerDefinitionError naming everything that is wrong with it.
 */
export function defineConsumer(options: ConsumerOptions): ConsumerDefinition {
  return resolveConsumer(options);
}

/** Says which handler handles an event: `on(userCreated, async (event, { trx }) => { … })`. */
export const on: On<BusDatabase> = createOn<BusDatabase>();

/** {@link defineConsumer} and {@link on} for handlers that use the application's own tables. */
export function consumersFor<DB>(): {
  readonly defineConsumer: (options: ConsumerOptions<DB & BusDatabase>) => ConsumerDefinition;
  readonly on: On<DB & BusDatabase>;
} {
  return { defineConsumer: resolveConsumer, on: createOn<DB & BusDatabase>() };
}

function resolveConsumer<DB>(options: ConsumerOptions<DB>): ConsumerDefinition {
  const { group, ordering = 'none', startFrom = 'beginning', transaction = 'event' } = options;
  const { unknownEvents = 'dead-letter', timeout = '30s', maxDeferral = '1d', handlers } = options;
  const { concurrency = transaction === 'batch' ? 2 : 16, batchSize = 100 } = options;
  const { onDeadLetter = 'continue', circuitBreaker = { aggregates: 10 } } = options;
  const retry = { ...defaultRetry, ...options.retry };

  const checks = createChecks();
  checks.name('group', group);
  checks.oneOf('ordering', ordering, ['none', 'aggregate']);
  checks.oneOf('startFrom', startFrom, ['beginning', 'now', 'archive']);
  checks.oneOf('transaction', transaction, ['event', 'batch']);
  checks.oneOf('unknownEvents', unknownEvents, ['skip', 'dead-letter']);
  checks.oneOf('onDeadLetter', onDeadLetter, ['continue', 'hold']);
  if (onDeadLetter === 'hold' && ordering !== 'aggregate') {
    checks.fault("onDeadLetter: 'hold' has a meaning only with ordering: 'aggregate'");
  }
  if (circuitBreaker !== false) checks.count('circuitBreaker.aggregates', circuitBreaker.aggregates, 10_000);
  checks.count('concurrency', concurrency, 1_000);
  checks.count('batchSize', batchSize, 5_000);
  if (options.batchSize !== undefined && transaction !== 'batch') {
    checks.fault("batchSize has a meaning only with transaction: 'batch'");
  }
  const maxDeferralMs = checks.duration('maxDeferral', maxDeferral);
  const handlings = new Map<string, ResolvedHandling>();
  if (handlers.length === 0) checks.fault('handlers is empty: a consumer handles at least one event');
  for (const { definition, options: own, handle } of handlers) {
    const where = `on(${definition.type})`;
    if (handlings.has(definition.type))
      checks.fault(`${definition.type} has two handlers: a group handles an event once`);
    const ownRetry = { ...retry, ...own.retry };
    checks.retry(own.retry ? `${where} retry` : 'retry', ownRetry);
    const timeoutMs = checks.duration(own.timeout ? `${where} timeout` : 'timeout', own.timeout ?? timeout);
    if (typeof handle !== 'function') checks.fault(`${where} has no handler function`);
    const resolved = {
      definition,
      options: own,
      handle: handle as unknown as Handling['handle'],
      timeoutMs,
      retry: ownRetry,
    };
    handlings.set(definition.type, Object.freeze(resolved));
  }
  if (checks.faults.length > 0) throw new ConsumerDefinitionError(group, checks.faults);

  return Object.freeze({
    group,
    topics: Object.freeze([...new Set(handlers.map(({ definition }) => definition.topic))]),
    ordering,
    startFrom,
    transaction,
    concurrency,
    batchSize,
    unknownEvents,
    maxDeferralMs,
    onDeadLetter,
    maxDeliveries: Math.max(
      fewestDeliveries,
      ...[...handlings.values()].map((handling) => handling.retry.maxAttempts),
    ),
    circuitThreshold: circuitBreaker === false ? 0 : circuitBreaker.aggregates,
    events: Object.freeze([...handlings.keys()]),
    handlings,
    policy: Object.freeze({
      transaction,
      concurrency,
      ...(transaction === 'batch' && { batchSize }),
      timeout,
      maxAttempts: retry.maxAttempts,
      onDeadLetter,
      circuitBreaker,
      unknownEvents,
      events: [...handlings.keys()],
    }),
  });
}
