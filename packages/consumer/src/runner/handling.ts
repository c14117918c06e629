import type { Dispatcher, Progress, Settlement, Work } from '../settlement.ts';
import type { Held } from './held.ts';
import type { KnownDuplicates } from './known-duplicates.ts';
import { createOutage } from './outage.ts';
import { type RunnerState, releaseSoon } from './runner-state.ts';
import { createSettling } from './settling.ts';
import { triage } from './triage.ts';

/** Starts what may start, and sees to what follows from how it ends. */
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
export function createHandling(
  state: RunnerState,
  { dispatcher, duplicates }: { readonly dispatcher: Dispatcher; readonly duplicates: KnownDuplicates },
): Handling {
  const {
    group,
    consumer,
    reader,
    lanes,
    acknowledger,
    failures,
    circuit,
    control,
    observer,
    moved,
    logger,
  } = state;
  const settling = createSettling(state, duplicates);
  const counting = createOutage('counting deliveries', logger);
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function pump(): void {
    clearTimeout(timer);
    if (stopped || control.isPaused()) return;
    const pauseMs = Math.max(settling.pauseMs(), circuit.pauseMs());
    if (pauseMs > 0) {
      timer = setTimeout(pump, pauseMs);
      return;
    }
    const now = performance.now();
    for (let taken = take(now); taken !== undefined; taken = take(now)) void run(taken);
    const dueAt = lanes.nextDueAt();
    if (dueAt !== undefined && lanes.counts().takings < circuit.limit()) {
      timer = setTimeout(pump, Math.min(Math.max(dueAt - performance.now(), 1), longestTimerMs));
    }
  }

  function take(now: number): readonly Held[] | undefined {
    // What only waits for its COMMIT makes room; while single events are tried, it does not.
    const { takings, finishing } = lanes.counts();
    const isClosed = circuit.state() === 'closed';
    if ((isClosed ? takings - finishing : takings) >= circuit.limit()) return undefined;
    // A batch would try as many events as it holds.
    return isClosed ? lanes.take(now) : lanes.take(now, 1);
  }

  async function run(taken: readonly Held[]): Promise<void> {
    const { open, givenUp, foreign, again: aside } = triage(state, taken);
    const again = new Map(aside);
    // Without waiting where there is nothing to count: what begins while another commits shares its round trip.
    const [suspect] = open.filter(({ alone, isCounted }) => alone && !isCounted);
    const admitted = suspect === undefined || (await count(suspect, again)) ? open : [];
    const isAlone = admitted[0]?.alone === true;
    if (admitted.length > 0) await handle(taken, admitted, again);
    // The next one may be what kills this process, and its death must not be counted against this one.
    if (isAlone) await Promise.allSettled([acknowledger.flush(), failures.flush()]);
    for (const [held, how] of givenUp) {
      observer.ended(held.delivery, how, { durationMs: 0, attempts: held.failure?.attempts ?? 0 });
      settling.giveUp(held, how);
    }
    // Not before they have left the lanes: an entry that came back meanwhile would pass for one that is in hand.
    releaseSoon(state, [...lanes.finish(taken, again), ...foreign]);
    pump();
    if (lanes.room() > 0 || lanes.counts().takings === 0) moved.ring();
  }

  /**
   * What is tried alone is counted before: if this process dies of it, that is known. Returns whether it is counted, and
   * may be tried.
   */
  async function count(held: Held, again: Map<string, number>): Promise<boolean> {
    const feed = state.feedOf(held);
    try {
      const deliveries = await reader.countDelivery(feed, consumer, held.delivery.id);
      counting.recovered();
      held.isCounted = true;
      // Else it is another's by now.
      if (deliveries === null) feed.mayHaveMissed();
      return deliveries !== null;
    } catch (error) {
      again.set(held.id, performance.now() + counting.failed(error));
      return false;
    }
  }

  async function handle(
    taken: readonly Held[],
    open: readonly Held[],
    again: Map<string, number>,
  ): Promise<void> {
    const beganAt = performance.now();
    const era = circuit.era();
    const works = open.map(toWork);
    const settlements = await dispatch(works, signalOf(open), {
      committing() {
        lanes.finishing(taken);
        pump();
      },
      again: () => lanes.resumed(taken),
    });
    const durationMs = performance.now() - beganAt;
    observer.handled(works.length);
    for (const [index, held] of open.entries()) {
      const settlement = settlements[index];
      if (settlement === undefined) continue;
      observer.ended(held.delivery, settlement, { durationMs, attempts: works[index]?.attempt ?? 1 });
      const dueAt = settling.follow(held, settlement, {
        era,
        lease: works[index]?.lease,
        events: works.length,
      });
      if (dueAt !== undefined) again.set(held.id, dueAt);
    }
  }

  function toWork({ delivery, failure }: Held): Work {
    const { lease } = state.slotOf(delivery);
    const attempt = (failure?.attempts ?? 0) + 1;
    return { delivery, attempt, ...(lease === undefined ? {} : { lease }) };
  }

  async function dispatch(
    works: readonly Work[],
    signal: AbortSignal,
    progress: Progress,
  ): Promise<readonly Settlement[]> {
    try {
      const [work] = works;
      if (group.transaction === 'batch') return await dispatcher.handleTogether(works, signal, progress);
      return work === undefined ? [] : [await dispatcher.handle(work, signal, progress)];
    } catch (error) {
      // A dispatcher never rejects; should it do so, no event is to blame.
      return works.map(() => ({ kind: 'interrupted', cause: 'database', error }));
    }
  }

  function signalOf(taken: readonly Held[]): AbortSignal {
    const [only] = taken;
    if (taken.length === 1 && only !== undefined) return state.slotOf(only.delivery).signal;
    const signals = new Set(taken.map(({ delivery }) => state.slotOf(delivery).signal));
    const [first] = signals;
    return signals.size === 1 && first !== undefined ? first : AbortSignal.any([...signals]);
  }

  return {
    pump,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

// A Node.js timer cannot wait longer; the pump looks again then.
const longestTimerMs = 2 ** 31 - 1;
