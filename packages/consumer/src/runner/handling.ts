import type { FailureRecord } from '@event-bus/transport';
import type { Dispatcher, Lease, Settlement, Work } from '../settlement.ts';
import { describeError } from './failures.ts';
import type { Held } from './held.ts';
import { loseLease } from './leases.ts';
import { createOutage } from './outage.ts';
import type { RunnerState } from './runner-state.ts';
import type { StreamSlot } from './stream-slot.ts';

/** Starts what may start, and does what follows from how it ends. */
export interface Handling {
  /** Starts all that may start now. To be called whenever something may have become startable. */
  readonly pump: () => void;
  /** Cancels the timer of what is due later. */
  readonly stop: () => void;
}

/**
 * Creates the handling of what the lanes hold. While the database is away nothing is started, and what was
 * interrupted keeps its place.
 */
export function createHandling(
  state: RunnerState,
  parts: { readonly dispatcher: Dispatcher; readonly slots: ReadonlyMap<string, StreamSlot> },
): Handling {
  const { group, lanes, acknowledger, failures, observer, moved, logger } = state;
  const { dispatcher, slots } = parts;
  const database = createOutage('handling events in the database', logger);
  let pausedUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function pump(): void {
    clearTimeout(timer);
    if (stopped) return;
    // Measured by a clock that nobody sets back.
    const pauseMs = pausedUntil - performance.now();
    if (pauseMs > 0) {
      timer = setTimeout(pump, pauseMs);
      return;
    }
    const now = Date.now();
    for (let taken = lanes.take(now); taken !== undefined; taken = lanes.take(now)) void run(taken);
    const dueAt = lanes.nextDueAt();
    if (dueAt !== undefined && lanes.counts().takings < group.concurrency) {
      timer = setTimeout(pump, Math.min(Math.max(dueAt - Date.now(), 1), longestTimerMs));
    }
  }

  async function run(taken: readonly Held[]): Promise<void> {
    const beganAt = performance.now();
    const works = taken.map(toWork);
    const settlements = await dispatch(taken, works);
    const durationMs = performance.now() - beganAt;
    const again = new Map<string, number>();
    for (const [index, held] of taken.entries()) {
      const settlement = settlements[index];
      if (settlement === undefined) continue;
      observer.ended(held.delivery, settlement, durationMs);
      const dueAt = settle(held, settlement, works[index]?.lease);
      if (dueAt !== undefined) again.set(held.id, dueAt);
    }
    lanes.finish(taken, again);
    moved.ring();
    pump();
  }

  function toWork({ delivery, attempts }: Held): Work {
    const lease = slots.get(delivery.stream)?.lease;
    return { delivery, attempt: attempts + 1, ...(lease === undefined ? {} : { lease }) };
  }

  async function dispatch(taken: readonly Held[], works: readonly Work[]): Promise<readonly Settlement[]> {
    const signal = signalOf(taken);
    try {
      const [work] = works;
      if (group.transaction === 'batch') return await dispatcher.handleTogether(works, signal);
      return work === undefined ? [] : [await dispatcher.handle(work, signal)];
    } catch (error) {
      // A dispatcher never rejects; should it do so, no event is to blame.
      return taken.map(() => ({ kind: 'interrupted', cause: 'database', error }));
    }
  }

  function signalOf(taken: readonly Held[]): AbortSignal {
    const signals = new Set(taken.flatMap(({ delivery }) => slots.get(delivery.stream)?.signal ?? []));
    const [first] = signals;
    return signals.size === 1 && first !== undefined ? first : AbortSignal.any([...signals]);
  }

  /** Returns when the entry is to be handled again, if it is. */
  function settle(held: Held, settlement: Settlement, lease: Lease | undefined): number | undefined {
    if (settlement.kind !== 'interrupted') {
      database.recovered();
      pausedUntil = 0;
    }
    switch (settlement.kind) {
      case 'settled':
        acknowledger.add(held.id, held);
        return undefined;
      case 'failed': {
        if (settlement.counted) held.attempts += 1;
        const dueAt = Date.now() + settlement.delayMs;
        record(held, { final: false, reason: settlement.reason, error: settlement.error, dueAt });
        return dueAt;
      }
      case 'held-back':
        return 0;
      case 'given-up':
        held.attempts += 1;
        record(held, { final: true, reason: settlement.reason, error: settlement.error, dueAt: 0 });
        return undefined;
      case 'interrupted':
        return interrupted(held, settlement, lease);
    }
  }

  function interrupted(
    held: Held,
    { cause, error }: Extract<Settlement, { kind: 'interrupted' }>,
    lease: Lease | undefined,
  ): number | undefined {
    const slot = slots.get(held.delivery.stream);
    switch (cause) {
      case 'fenced':
        if (slot !== undefined && lease?.token === slot.lease?.token) loseLease(state, slot);
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

  function record(
    held: Held,
    failure: Pick<FailureRecord, 'final' | 'reason' | 'dueAt'> & { readonly error: unknown },
  ): void {
    const { delivery, attempts } = held;
    failures.add(held.id, {
      held,
      record: {
        ...failure,
        reason: failure.reason.toWellFormed(),
        eventId: delivery.fields.event_id ?? '',
        attempts,
        error: describeError(failure.error),
        failedAt: Date.now(),
      },
    });
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
// A Node.js timer cannot wait longer; the pump looks again then.
const longestTimerMs = 2 ** 31 - 1;
