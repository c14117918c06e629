import { exponential } from '../retry-policy.ts';
import type { Lease, Settlement } from '../settlement.ts';
import { createBlame } from './blame.ts';
import type { GivenUp } from './blockers.ts';
import { recordOf } from './failures.ts';
import { eventIdOf, type Held } from './held.ts';
import type { KnownDuplicates } from './known-duplicates.ts';
import { loseLease } from './leases.ts';
import { createOutage } from './outage.ts';
import type { RunnerState } from './runner-state.ts';

type Failed = Extract<Settlement, { kind: 'failed' }>;
type Interrupted = Extract<Settlement, { kind: 'interrupted' }>;

/** How things stood when an attempt began. */
export interface Began {
  readonly era: number;
  readonly lease: Lease | undefined;
  /** How many events were handled together. */
  readonly events: number;
}

/** How a failed attempt is to be remembered. */
interface Judgement {
  /** The event's own fault, and not that of something that others need, too. */
  readonly isOwn: boolean;
  /** It used an attempt up. */
  readonly counted: boolean;
}

/** Does what follows from how the handling of an entry ended. */
export interface Settling {
  /**
   * Returns when the entry is to be handled again, if it is, by `performance.now()`: a clock that is set back keeps nothing
   * waiting.
   */
  follow(held: Held, settlement: Settlement, began: Began): number | undefined;
  /** The event is given up. */
  giveUp(held: Held, how: GivenUp): void;
  /** For how long nothing may start, because the database is away. */
  pauseMs(): number;
}

/** Creates the settling of one runner. */
export function createSettling(state: RunnerState, duplicates: KnownDuplicates): Settling {
  const { group, consumer, acknowledger, failures, blockers, circuit, settings, logger } = state;
  const database = createOutage('handling events in the database', logger);
  const blame = createBlame();
  const downfall = createBlame();
  let pausedUntil = 0;

  /** Whether a failed attempt is the event's own fault, and whether it counts. The circuit is told of all others. */
  function judge(held: Held, era: number, error: unknown): Judgement {
    const isOwn = blame.isItsOwn(eventOf(held), held.failure?.isOwn);
    const counted = isOwn ? circuit.state() === 'closed' : circuit.failed(era, aggregateOf(held), error);
    return { isOwn, counted };
  }

  function failed(held: Held, failure: Failed, { era }: Began): number {
    const isDeferred = failure.reason === 'retry-after';
    const { isOwn, counted } = isDeferred ? asBefore(held, true) : judge(held, era, failure.error);
    remember(held, failure, { isOwn, counted: failure.counted && counted, delayMs: failure.delayMs });
    return performance.now() + failure.delayMs;
  }

  function givenUp(held: Held, how: GivenUp, { era }: Began): number | undefined {
    const { isOwn, counted } = how.why === 'attempts' ? judge(held, era, how.error) : asBefore(held, false);
    if (how.why === 'attempts' && !counted) {
      // Something that all events need seems to be down: the failure is not the event's.
      const delayMs = Math.max(circuit.pauseMs(), settings.circuitPauseMs);
      const failure = { kind: 'failed', counted: false, reason: 'error', error: how.error } as const;
      remember(held, { ...failure, delayMs }, { isOwn, counted: false, delayMs });
      return performance.now() + delayMs;
    }
    settleGivenUp(held, how, { isOwn, counted });
    return undefined;
  }

  function settleGivenUp(held: Held, how: GivenUp, judgement: Judgement): void {
    remember(held, how, { ...judgement, delayMs: undefined });
    // What was injected has its letter already, and that holds the others.
    if (group.onDeadLetter === 'hold' && held.delivery.injected !== true) blockers.add(held, how);
  }

  function remember(
    held: Held,
    failure: Failed | GivenUp,
    how: Judgement & { readonly delayMs: number | undefined },
  ): void {
    const record = recordOf(held, consumer, failure, how);
    held.failure = record;
    // This process has survived it.
    held.alone = false;
    failures.add(held.id, { held, record });
  }

  /**
   * The database went away from an event. One of several may have brought that about, so from then on each is handled
   * by itself. With which alone it goes away again and again, while others succeed, waits by itself, longer each time: it
   * must not hold up the others, and no attempt counts, since it may just have been unlucky.
   */
  function wentAway(held: Held, error: unknown, events: number): number {
    const { stream, id } = held.delivery;
    const about = events > 1 ? { events } : { stream, entry_id: id, event_id: eventIdOf(held.delivery) };
    if (events > 1) held.single = true;
    else if (downfall.isItsOwn(eventOf(held))) {
      held.downfalls += 1;
      const delayMs = downfallBackoff(held.downfalls);
      const failure = { kind: 'failed', counted: false, reason: 'error', error, delayMs } as const;
      remember(held, failure, { ...asBefore(held, false), delayMs });
      logger.warn(
        { ...about, retry_in_ms: delayMs, err: error },
        'the database goes away from this event alone; it is tried again, and no attempt counts: see what its handler asks of the database',
      );
      return performance.now() + delayMs;
    }
    // Those that were interrupted together count as one.
    if (performance.now() >= pausedUntil) pausedUntil = performance.now() + database.failed(error, about);
    return 0;
  }

  function interrupted(held: Held, { cause, error }: Interrupted, { lease, events }: Began): number {
    const slot = state.slotOf(held.delivery);
    switch (cause) {
      case 'fenced':
        if (lease?.token === slot.lease?.token) loseLease(state, slot);
        // Does not come back, unless the stream was taken up again meanwhile.
        return 0;
      case 'shutdown':
        // It waits to be handed back; if it was stopped for no reason of ours, it isn't started again at once.
        return performance.now() + interruptedDelayMs;
      case 'database':
        return wentAway(held, error, events);
    }
  }

  return {
    follow(held, settlement, began) {
      if (settlement.kind === 'interrupted') return interrupted(held, settlement, began);
      database.recovered();
      pausedUntil = 0;
      switch (settlement.kind) {
        case 'settled':
          if (settlement.how === 'duplicate') {
            duplicates.suspect(held.delivery.stream);
          } else {
            circuit.succeeded(began.era);
            blame.succeeded(eventOf(held));
            downfall.succeeded(eventOf(held));
          }
          acknowledger.add(held.id, held);
          return undefined;
        case 'unhandled':
          acknowledger.add(held.id, held);
          return undefined;
        case 'held-back':
          return 0;
        case 'failed':
          return failed(held, settlement, began);
        case 'given-up':
          return givenUp(held, settlement, began);
      }
    },
    giveUp: (held, how) => settleGivenUp(held, how, asBefore(held, how.why === 'attempts')),
    pauseMs: () => Math.max(0, pausedUntil - performance.now()),
  };
}

/** What nobody judges: its event stays as much to blame as it was. */
function asBefore({ failure }: Held, counted: boolean): Judgement {
  return { isOwn: failure?.isOwn === true, counted };
}

/** What names its event, whatever entry it stands in. */
function eventOf({ delivery }: Held): string {
  return `${eventIdOf(delivery)} ${delivery.fields.replay_id ?? ''}`;
}

function aggregateOf({ delivery }: Held): string {
  const { aggregate_type: type = '', aggregate_id: id = '' } = delivery.fields;
  return `${type} ${id}`;
}

const interruptedDelayMs = 100;
const downfallBackoff = exponential('1s');
