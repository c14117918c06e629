import type { Dispatcher, Lease, Settlement, Work } from '../settlement.ts';
import { recordOf } from './failures.ts';
import { type Held, isGivenUp } from './held.ts';
import { loseLease } from './leases.ts';
import { createOutage } from './outage.ts';
import { type RunnerState, releaseEntries } from './runner-state.ts';

/** Starts what may start, and does what follows from how it ends. */
export interface Handling {
  /** Starts all that may start now. To be called whenever something may have become startable. */
  readonly pump: () => void;
  /** Cancels the timer of what is due later. */
  readonly stop: () => void;
}

/**
 * Creates the handling of what the lanes hold. While the database is away nothing is started, and what was
 * interrupted keeps its place. The circuit says how much may run.
 */
export function createHandling(state: RunnerState, dispatcher: Dispatcher): Handling {
  const { group, consumer, lanes, acknowledger, failures, circuit, control, observer, moved, logger } = state;
  const database = createOutage('handling events in the database', logger);
  let pausedUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function pump(): void {
    clearTimeout(timer);
    if (stopped || control.isPaused()) return;
    // Measured by a clock that nobody sets back.
    const pauseMs = Math.max(pausedUntil - performance.now(), circuit.pauseMs());
    if (pauseMs > 0) {
      timer = setTimeout(pump, pauseMs);
      return;
    }
    const now = Date.now();
    for (let taken = take(now); taken !== undefined; taken = take(now)) void run(taken);
    const dueAt = lanes.nextDueAt();
    if (dueAt !== undefined && lanes.counts().takings < circuit.limit()) {
      timer = setTimeout(pump, Math.min(Math.max(dueAt - Date.now(), 1), longestTimerMs));
    }
  }

  function take(now: number): readonly Held[] | undefined {
    if (lanes.counts().takings >= circuit.limit()) return undefined;
    // A batch would try as many events as it holds.
    return circuit.state() === 'closed' ? lanes.take(now) : lanes.take(now, 1);
  }

  async function run(taken: readonly Held[]): Promise<void> {
    const beganAt = performance.now();
    const works = taken.map(toWork);
    const settlements = await settle(taken, works);
    const durationMs = performance.now() - beganAt;
    const again = new Map<string, number>();
    for (const [index, held] of taken.entries()) {
      const settlement = settlements[index];
      if (settlement === undefined) continue;
      observer.ended(held.delivery, settlement, durationMs);
      const dueAt = follow(held, settlement, works[index]?.lease);
      if (dueAt !== undefined) again.set(held.id, dueAt);
    }
    lanes.finish(taken, again);
    moved.ring();
    pump();
  }

  function toWork({ delivery, failure }: Held): Work {
    const lease = state.slotOf(delivery).lease;
    const attempt = (failure?.attempts ?? 0) + 1;
    return { delivery, attempt, ...(lease === undefined ? {} : { lease }) };
  }

  /** One settlement per work; `undefined` for what is no longer in hand. */
  async function settle(
    taken: readonly Held[],
    works: readonly Work[],
  ): Promise<readonly (Settlement | undefined)[]> {
    try {
      const [held] = taken;
      if (held?.alone === true && !(await countDelivery(held))) return [undefined];
      const open = works.filter((_, index) => !isGivenUp(taken[index]));
      const settled = open.length === 0 ? [] : await dispatch(open, signalOf(taken));
      let next = 0;
      return await Promise.all(
        works.map((work, index) => (isGivenUp(taken[index]) ? lookAtGivenUp(work) : settled[next++])),
      );
    } catch (error) {
      // A dispatcher never rejects; should it do so, no event is to blame.
      return taken.map(() => ({ kind: 'interrupted', cause: 'database', error }));
    }
  }

  async function dispatch(works: readonly Work[], signal: AbortSignal): Promise<readonly Settlement[]> {
    const [work] = works;
    if (group.transaction === 'batch') return dispatcher.handleTogether(works, signal);
    return work === undefined ? [] : [await dispatcher.handle(work, signal)];
  }

  /** What was given up and keeps its aggregate waits in its lane until the inbox says that it is dead. */
  async function lookAtGivenUp(work: Work): Promise<Settlement | undefined> {
    const behind = work.delivery.fields.event_id ?? '';
    return (await dispatcher.isSettled(work)) ? undefined : { kind: 'held-back', behind };
  }

  /** Counted before its handling begins: if this process dies of it, that is known. */
  async function countDelivery(held: Held): Promise<boolean> {
    const feed = state.feedOf(held);
    const deliveries = await state.reader.countDelivery(feed, consumer, held.delivery.id);
    if (deliveries === null) feed.mayHaveMissed();
    return deliveries !== null;
  }

  function signalOf(taken: readonly Held[]): AbortSignal {
    const signals = new Set(taken.map(({ delivery }) => state.slotOf(delivery).signal));
    const [first] = signals;
    return signals.size === 1 && first !== undefined ? first : AbortSignal.any([...signals]);
  }

  /** Does what follows from a settlement. Returns when the entry is to be handled again, if it is. */
  function follow(held: Held, settlement: Settlement, lease: Lease | undefined): number | undefined {
    if (settlement.kind !== 'interrupted') {
      database.recovered();
      pausedUntil = 0;
    }
    switch (settlement.kind) {
      case 'settled':
        if (settlement.how !== 'duplicate') circuit.succeeded();
        acknowledger.add(held.id, held);
        return undefined;
      case 'failed':
        return failed(held, settlement);
      case 'held-back':
        return isGivenUp(held) ? Date.now() + givenUpDelayMs : 0;
      case 'given-up':
        return givenUp(held, settlement);
      case 'unhandled':
        return unhandled(held, settlement.eventType);
      case 'interrupted':
        return interrupted(held, settlement, lease);
    }
  }

  function failed(held: Held, failure: Extract<Settlement, { kind: 'failed' }>): number {
    const isOwn = failure.reason !== 'retry-after';
    const counted = failure.counted && !(isOwn && isCircuitOpenAfter(held, failure.error));
    const dueAt = Date.now() + failure.delayMs;
    remember(held, failure, { counted, dueAt });
    return dueAt;
  }

  function givenUp(held: Held, failure: Extract<Settlement, { kind: 'given-up' }>): number | undefined {
    const { event_type: eventType = '' } = held.delivery.fields;
    // A type that is new, and known only to those who handle it already.
    const isForeign = failure.why === 'undecodable' && !group.events.includes(eventType);
    if (isForeign && control.isHandledElsewhere(eventType)) return unhandled(held, eventType);
    if (failure.why === 'attempts' && isCircuitOpenAfter(held, failure.error)) {
      const { error } = failure;
      return failed(held, {
        kind: 'failed',
        counted: false,
        reason: 'error',
        error,
        delayMs: circuit.pauseMs(),
      });
    }
    remember(held, failure, { counted: failure.why === 'attempts', dueAt: 0 });
    // Its aggregate waits until the inbox says that it is dead: what follows is then known to follow a dead letter.
    return group.onDeadLetter === 'hold' && failure.why !== 'held' ? Date.now() + givenUpDelayMs : undefined;
  }

  /** Whether something that all events need seems to be down: the failure is not the event's then. */
  function isCircuitOpenAfter({ delivery }: Held, error: unknown): boolean {
    const { aggregate_type: type = '', aggregate_id: id = '' } = delivery.fields;
    const wasClosed = circuit.state() === 'closed';
    circuit.failed(`${type} ${id}`, error);
    return !wasClosed || circuit.state() !== 'closed';
  }

  function remember(
    held: Held,
    failure: Extract<Settlement, { kind: 'failed' | 'given-up' }>,
    how: { readonly counted: boolean; readonly dueAt: number },
  ): void {
    const record = recordOf(held, consumer, failure, how);
    held.failure = record;
    failures.add(held.id, { held, record });
  }

  /** No handler here. While another runner of the group has one, the event is that runner's. */
  function unhandled(held: Held, eventType: string): number | undefined {
    if (!control.isHandledElsewhere(eventType)) {
      acknowledger.add(held.id, held);
      return undefined;
    }
    // In an ordered group the runner that has the lease keeps it, and what follows waits with it.
    if (group.ordering === 'aggregate') return Date.now() + elsewhereDelayMs;
    releaseEntries(state, state.feedOf(held), [held]).catch((error: unknown) => {
      logger.warn({ err: error }, 'an entry could not be handed back: it is claimed once idle');
    });
    return undefined;
  }

  function interrupted(
    held: Held,
    { cause, error }: Extract<Settlement, { kind: 'interrupted' }>,
    lease: Lease | undefined,
  ): number {
    const slot = state.slotOf(held.delivery);
    switch (cause) {
      case 'fenced':
        if (lease?.token === slot.lease?.token) loseLease(state, slot);
        // Does not come back, unless the stream was taken up again meanwhile.
        return 0;
      case 'shutdown':
        // It waits to be handed back; if it was stopped for no reason of ours, it isn't started again at once.
        return Date.now() + interruptedDelayMs;
      case 'database':
        // Those that were interrupted together count as one.
        if (performance.now() >= pausedUntil) pausedUntil = performance.now() + database.failed(error);
        return 0;
    }
  }

  return {
    pump,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const interruptedDelayMs = 100;
const givenUpDelayMs = 200;
const elsewhereDelayMs = 1_000;
// A Node.js timer cannot wait longer; the pump looks again then.
const longestTimerMs = 2 ** 31 - 1;
