import { setTimeout as delay } from 'node:timers/promises';
import type { EventCatalog } from '@event-bus/contracts';
import type { Logger } from '@event-bus/telemetry';
import type pg from 'pg';
import { assertConsumable } from './assert-consumable.ts';
import { decodeDelivery } from './decode.ts';
import type { ConsumerDefinition } from './define-consumer.ts';
import { lookUpSettled } from './look-up-settled.ts';
import { type Prepared, prepare } from './prepared.ts';
import { inProcessSpan, type ProcessSpan } from './process-span.ts';
import { createReporter } from './reporter.ts';
import { settle } from './settle.ts';
import type { Dispatcher, Progress, Settlement, Work } from './settlement.ts';
import { runBatchTransaction } from './transaction/batch-transaction.ts';
import { type EventEnd, runEventTransaction } from './transaction/event-transaction.ts';
import { createSessions } from './transaction/session.ts';

/** What a dispatcher is made of. */
export interface DispatcherOptions {
  readonly consumer: ConsumerDefinition;
  readonly catalog: EventCatalog;
  /** The database of the inbox and the handlers, opened with `pipeline: true`. One connection per transaction. */
  readonly pool: pg.Pool;
  readonly logger: Logger;
  /**
   * A transaction of whose process the server hears nothing for so long is ended, so that a frozen one frees what it has
   * locked. However long a handler takes, its process is heard, unless it computes without a pause. To be no longer than
   * until another process takes over. Default: 30 s.
   */
  readonly transactionIdleMs?: number;
}

const defaultTransactionIdleMs = 30_000;
const conflictTries = 5;
const conflictDelayMs = 20;

/**
 * Creates the dispatcher of a group: decode -> match -> begin and record in the inbox -> handle -> commit -> settle.
 * A transaction that lost against a concurrent one is run again a few times at once, at no cost to the event.
 * @throws ConsumerDefinitionError the consumer handles what the catalogue does not hold, or the pool does not pipeline.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { consumer, catalog, pool, logger, transactionIdleMs = defaultTransactionIdleMs } = options;
  assertConsumable(consumer, catalog, pool);
  const { group, ordering, transaction: mode, circuitThreshold } = consumer;
  const reporter = createReporter(logger.child({ group }));
  const sessions = createSessions(pool, { idleMs: transactionIdleMs });

  function open(work: Work): Prepared | Settlement {
    const decoded = decodeDelivery(consumer, catalog, work.delivery);
    switch (decoded.kind) {
      case 'unhandled':
        return decoded;
      case 'undecodable': {
        const { error } = decoded;
        const reason = `undecodable: ${error.message}`;
        const settlement = { kind: 'given-up', why: 'undecodable', reason, error } as const;
        const { stream, id, fields } = work.delivery;
        reporter.undecodable(settlement.reason, { event_id: fields.event_id, stream, entry_id: id });
        return settlement;
      }
      case 'event':
        return prepare(consumer, logger, { work, event: decoded.event, handling: decoded.handling });
    }
  }

  function finish(prepared: Prepared, end: EventEnd): Settlement {
    const { work, handling } = prepared;
    const settlement = settle(end, { consumer, handling, work, now: Date.now() });
    reporter.settled(prepared, settlement);
    if (end.kind === 'committed' && end.invertedAfter !== undefined)
      reporter.inverted(prepared, end.invertedAfter);
    return settlement;
  }

  async function run({ member }: Prepared, signal: AbortSignal, progress: Progress): Promise<EventEnd> {
    const { committing } = progress;
    for (let tries = 1; ; tries += 1) {
      const end = await runEventTransaction(member, { sessions, group, mode, signal, committing });
      if (end.kind !== 'conflict' || tries === conflictTries || signal.aborted) return end;
      progress.again();
      await delay(conflictDelayMs * 2 ** tries * Math.random());
    }
  }

  async function handleAlone(
    prepared: Prepared,
    signal: AbortSignal,
    progress: Progress = unheeded,
  ): Promise<Settlement> {
    const { event, work } = prepared;
    return inProcessSpan({ group, event, work }, async (span) => {
      const settlement = finish(prepared, await run(prepared, signal, progress));
      span.end(settlement);
      return settlement;
    });
  }

  /** In one transaction, or `undefined` if they must be handled one by one. */
  async function handleBatch(
    batch: readonly Prepared[],
    signal: AbortSignal,
    progress: Progress,
  ): Promise<Settlement[] | undefined> {
    const { committing } = progress;
    const spans: (ProcessSpan | undefined)[] = batch.map(() => undefined);
    let first: ProcessSpan | undefined;
    const members = batch.map(({ member, event, work }, index) => ({
      ...member,
      handle: (...given: Parameters<typeof member.handle>) =>
        inProcessSpan(
          { group, event, work, batch: { size: batch.length, first: first?.context } },
          (span) => {
            first ??= span;
            spans[index] = span;
            return member.handle(...given);
          },
        ),
    }));
    const end = await runBatchTransaction(members, { sessions, group, mode, signal, committing });
    if (end.kind === 'isolate') {
      reporter.isolated(batch.length, end);
      for (const span of spans) span?.abandon();
      progress.again();
      return undefined;
    }
    return batch.map((prepared, index) => {
      const settlement = finish(
        prepared,
        end.kind === 'interrupted' ? end : { kind: 'committed', ...at(end.members, index) },
      );
      spans[index]?.end(settlement);
      return settlement;
    });
  }

  /**
   * In the order given. What follows an event of an ordered aggregate that failed or is given up waits until it is known
   * what becomes of that one; and when as many fail in a row as open the circuit, all that follow wait.
   */
  async function handleOneByOne(batch: readonly Prepared[], signal: AbortSignal): Promise<Settlement[]> {
    const settlements: Settlement[] = [];
    const heldBack = new Map<string, string>();
    const failing = new Map<string, string>();
    let interruption: Settlement | undefined;
    for (const prepared of batch) {
      const { aggregate } = prepared.member;
      const isOutage = circuitThreshold > 0 && failing.size >= circuitThreshold;
      const behind = heldBack.get(aggregate) ?? (isOutage ? [...failing.values()].at(-1) : undefined);
      if (behind !== undefined) {
        settlements.push({ kind: 'held-back', behind });
        continue;
      }
      // What stopped one event stops those after it, too: they need not find out one by one.
      const settlement: Settlement = interruption ?? (await handleAlone(prepared, signal));
      settlements.push(settlement);
      if (settlement.kind === 'interrupted' && settlement.cause !== 'fenced') interruption = settlement;
      const hasFailed = settlement.kind === 'failed' || settlement.kind === 'given-up';
      if (hasFailed && ordering === 'aggregate') heldBack.set(aggregate, prepared.event.id);
      if (hasFailed) failing.set(aggregate, prepared.event.id);
      else failing.clear();
    }
    return settlements;
  }

  /** The same holds for what follows an event that cannot be read. */
  function openAll(works: readonly Work[]): (Prepared | Settlement)[] {
    const heldBack = new Map<string, string>();
    return works.map((work) => {
      const {
        aggregate_type: type = '',
        aggregate_id: id = '',
        event_id: eventId = '',
      } = work.delivery.fields;
      const aggregate = `${type} ${id}`;
      const behind = heldBack.get(aggregate);
      if (behind !== undefined) return { kind: 'held-back', behind };
      const opened = open(work);
      const isGivenUp = 'kind' in opened && opened.kind === 'given-up';
      if (ordering === 'aggregate' && isGivenUp) heldBack.set(aggregate, eventId);
      return opened;
    });
  }

  async function handleTogether(
    works: readonly Work[],
    signal: AbortSignal,
    progress: Progress = unheeded,
  ): Promise<Settlement[]> {
    const opened = openAll(works);
    const batch = opened.filter((entry) => 'member' in entry);
    const alone = batch.length < 2;
    const settled =
      (alone ? undefined : await handleBatch(batch, signal, progress)) ??
      (await handleOneByOne(batch, signal));
    let next = 0;
    return opened.map((entry) => ('member' in entry ? at(settled, next++) : entry));
  }

  return {
    async handle(work, signal, progress) {
      const opened = open(work);
      return 'member' in opened ? handleAlone(opened, signal, progress) : opened;
    },
    handleTogether,
    findSettled: (deliveries, signal) => lookUpSettled(deliveries, { sessions, group, signal }),
  };
}

const unheeded: Progress = { committing() {}, again() {} };

function at<Value>(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new RangeError(`there is nothing at ${index}`);
  return value;
}
