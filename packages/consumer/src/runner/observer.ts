import { type Attributes, countHistogram, durationHistogram, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';
import { type Delivery, issuedAt } from '@event-bus/transport';
import type { Settlement } from '../settlement.ts';

/** Told of what a runner does. */
export interface RunnerObserver {
  /** Entries were taken over: they had been another's, or were handed back. */
  claimed(stream: string, count: number): void;
  /** Pending entries stood in their stream no longer, and were acknowledged. */
  vanished(stream: string, count: number): void;
  /** So many deliveries were handled together. */
  handled(count: number): void;
  /** A delivery came to an end. */
  ended(delivery: Delivery, settlement: Settlement, handling: HandlingFigures): void;
}

/** What handling a delivery took. */
export interface HandlingFigures {
  /** Since its handling began (its batch's, if it was part of one). */
  readonly durationMs: number;
  /** This one included. */
  readonly attempts: number;
}

/** Records what a runner does as metrics. What it holds, how its circuit stands and whether it is paused is asked for when they are read. */
export function createMetricsObserver(
  group: string,
  now: {
    readonly held: () => number;
    readonly circuit: () => 'closed' | 'open' | 'half-open';
    readonly isPaused: () => boolean;
  },
): RunnerObserver {
  const instruments = createInstruments();
  const ofGroup = { [attribute.messagingSystem]: messagingSystem, [attribute.consumerGroupName]: group };
  instruments.held.addCallback((result) => result.observe(now.held(), ofGroup));
  instruments.circuitOpen.addCallback((result) =>
    result.observe(now.circuit() === 'closed' ? 0 : 1, ofGroup),
  );
  instruments.paused.addCallback((result) => result.observe(now.isPaused() ? 1 : 0, ofGroup));

  function recordDelays({ id, fields }: Delivery, attributes: Attributes): void {
    const now = Date.now();
    instruments.streamDelay.record(Math.max(0, now - issuedAt(id)) / 1_000, attributes);
    const delayMs = now - Date.parse(fields.occurred_at ?? '');
    if (Number.isFinite(delayMs)) instruments.delay.record(Math.max(0, delayMs) / 1_000, attributes);
  }

  return {
    claimed(stream, count) {
      instruments.claimed.add(count, { ...ofGroup, [attribute.destinationName]: stream });
    },
    vanished(stream, count) {
      instruments.vanished.add(count, { ...ofGroup, [attribute.destinationName]: stream });
    },
    handled(count) {
      instruments.batchSize.record(count, ofGroup);
    },
    ended(delivery, settlement, { durationMs, attempts }) {
      const outcome = outcomeOf(settlement);
      const attributes = {
        ...ofGroup,
        [attribute.destinationName]: delivery.stream,
        [attribute.outcome]: outcome,
      };
      instruments.consumed.add(1, attributes);
      instruments.duration.record(durationMs / 1_000, attributes);
      if (outcome === 'duplicate') instruments.duplicates.add(1, ofGroup);
      if (settlement.kind === 'failed' || settlement.kind === 'given-up')
        instruments.failed.add(1, attributes);
      if (outcome === 'done' || outcome === 'skipped' || outcome === 'given-up')
        instruments.attempts.record(Math.max(1, attempts), attributes);
      // What was injected waited for a person, who is not to be measured.
      if (outcome === 'done' && delivery.injected !== true) recordDelays(delivery, attributes);
    },
  };
}

function outcomeOf(settlement: Settlement): string {
  switch (settlement.kind) {
    case 'settled':
      return settlement.how;
    case 'failed':
      return settlement.reason === 'retry-after' ? 'retry-after' : 'retry';
    case 'unhandled':
      return 'skipped';
    case 'held-back':
    case 'given-up':
    case 'interrupted':
      return settlement.kind;
  }
}

function createInstruments() {
  const source = meter();
  return {
    consumed: source.createCounter(metricNames.consumedMessages, {
      description: 'Events handed to a group, by what became of them',
    }),
    duration: durationHistogram(
      metricNames.processDuration,
      'One event in its handler, its transaction included',
    ),
    delay: durationHistogram(
      metricNames.endToEndDelay,
      "From an event's occurrence until its handler's commit; live traffic only",
    ),
    streamDelay: durationHistogram(
      metricNames.streamDelay,
      "From an event's entry into its stream until its handler's commit; live traffic only",
    ),
    attempts: countHistogram(
      metricNames.attempts,
      'Attempts that an event took until it was settled or given up',
    ),
    batchSize: countHistogram(metricNames.consumerBatchSize, 'Events handled together'),
    duplicates: source.createCounter(metricNames.duplicateEvents, {
      description: 'Events that had been handled before and changed nothing',
    }),
    failed: source.createCounter(metricNames.failedAttempts, { description: 'Failed attempts' }),
    claimed: source.createCounter(metricNames.claimedEntries, {
      description: 'Entries taken over from a runner that no longer holds them',
    }),
    vanished: source.createCounter(metricNames.vanishedEntries, {
      description: 'Pending entries that stood in their stream no longer',
    }),
    held: source.createObservableGauge(metricNames.heldEvents, {
      description: 'Events held, in handlers or waiting',
    }),
    paused: source.createObservableGauge(metricNames.consumerPaused, {
      description: '1 while nothing is started because an operator has paused the group',
    }),
    circuitOpen: source.createObservableGauge(metricNames.circuitOpen, {
      description: '1 while nothing, or little, is started because handlers fail on many aggregates',
    }),
  };
}
