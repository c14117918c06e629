import type { BusDatabase } from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import {
  type Delivery,
  type EventTransport,
  GroupMissingError,
  type GroupReader,
  type StreamObserver,
} from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { createAcknowledger } from './acknowledger.ts';
import { type Bell, createBell } from './bell.ts';
import { type Blockers, createBlockers } from './blockers.ts';
import { type Circuit, createCircuit } from './circuit.ts';
import { createControl, type GroupControl } from './control.ts';
import { createFailureRecorder, type Failure } from './failures.ts';
import type { Feed } from './feed.ts';
import type { Flusher } from './flusher.ts';
import type { RunnerGroup } from './group.ts';
import { compareHeld, type Held } from './held.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { createMetricsObserver, type RunnerObserver } from './observer.ts';
import { createOutage } from './outage.ts';
import { streamsOf } from './registration.ts';
import type { RunnerSettings } from './settings.ts';
import type { Solitude } from './solitude.ts';
import { createStreamSlot, type StreamSlot } from './stream-slot.ts';

/** What the parts of one running runner share. */
export interface RunnerState {
  readonly group: RunnerGroup;
  readonly consumer: string;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
  /** For everything but reading new entries, which may block. */
  readonly reader: GroupReader;
  readonly streams: StreamObserver;
  readonly slots: readonly StreamSlot[];
  readonly feeds: readonly Feed[];
  readonly slotOf: (of: Pick<Delivery, 'stream'>) => StreamSlot;
  readonly feedOf: (held: Held) => Feed;
  readonly lanes: Lanes<Held>;
  /** How many injected entries are read ahead, so that live traffic goes on beside a replay. */
  readonly injectedShare: number;
  readonly blockers: Blockers;
  readonly circuit: Circuit;
  readonly control: GroupControl;
  readonly acknowledger: Flusher<Held>;
  readonly failures: Flusher<Failure>;
  readonly observer: RunnerObserver;
  /** Rings when there is room for more entries, and when nothing runs any more. */
  readonly moved: Bell;
}

/** What a runner's state is made of. */
export interface RunnerStateParts {
  readonly group: RunnerGroup;
  readonly consumer: string;
  readonly transport: EventTransport;
  readonly registry: Kysely<BusDatabase>;
  readonly inbox: Kysely<BusDatabase>;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
  readonly solitude: Solitude;
  /** Aborts the handlers. */
  readonly abort: AbortSignal;
  /** Told when something may start that could not before. */
  readonly onStartable: () => void;
}

/** Creates the state of a runner that holds nothing yet. */
export function createRunnerState(parts: RunnerStateParts): RunnerState {
  const { group, consumer, transport, registry, inbox, settings, logger, solitude, abort, onStartable } =
    parts;
  const reader = transport.reader();
  const streams = transport.observer();
  const moved = createBell();
  const slots = streamsOf(group).map((stream) =>
    createStreamSlot(
      { stream, group: group.group },
      { ordered: group.ordering === 'aggregate', abort, onChange: () => moved.ring() },
    ),
  );
  const byStream = new Map(slots.map((slot) => [slot.stream, slot]));
  const slotOf = ({ stream }: Pick<Delivery, 'stream'>) => present(byStream.get(stream), stream);
  const feedOf = ({ delivery }: Held) =>
    present(
      slotOf(delivery).feeds.find((feed) => feed.brought(delivery)),
      delivery.stream,
    );

  const batchSize = group.transaction === 'batch' ? group.batchSize : 1;
  const readAhead = settings.readAhead ?? Math.max(2 * group.concurrency * batchSize, settings.readCount);
  const injectedShare = Math.ceil(Math.min(readAhead, settings.capacity) / 4);
  const lanes = createLanes<Held>({
    concurrency: group.concurrency,
    batchSize,
    capacity: settings.capacity + injectedShare,
    readAhead,
    compare: compareHeld,
    solitude,
    onFree: onStartable,
  });
  const circuit = createCircuit({
    threshold: group.circuitThreshold,
    concurrency: group.concurrency,
    firstPauseMs: settings.circuitPauseMs,
    longestPauseMs: settings.circuitMaxPauseMs,
    onChange: (changed) => {
      logCircuit(changed, logger);
      control.changed();
      // Not in the midst of what has just looked at the circuit.
      queueMicrotask(onStartable);
    },
  });
  const control = createControl({
    group,
    runner: consumer,
    registry,
    circuit,
    everyMs: settings.controlEveryMs,
    logger,
    onResume: () => {
      onStartable();
      moved.ring();
    },
  });

  return {
    group,
    consumer,
    settings,
    logger,
    reader,
    streams,
    slots,
    feeds: slots.flatMap(({ feeds }) => feeds),
    slotOf,
    feedOf,
    lanes,
    injectedShare,
    blockers: createBlockers({ group: group.group, inbox, logger }),
    circuit,
    control,
    acknowledger: createAcknowledger({
      feedOf,
      reader,
      outage: createOutage('acknowledging entries', logger),
      settings,
      onSent: () => moved.ring(),
    }),
    failures: createFailureRecorder({
      feedOf,
      consumer,
      reader,
      outage: createOutage('recording failures', logger),
      onSent: () => moved.ring(),
    }),
    observer: createMetricsObserver(group.group, {
      held: () => {
        const { running, waiting } = lanes.counts();
        return running + waiting;
      },
      circuit: () => circuit.state(),
      isPaused: () => control.isPaused(),
    }),
    moved,
  };
}

/** Hands entries back, as far as they are still this runner's; there is none if the group is gone. */
export async function releaseEntries(
  { reader, consumer }: Pick<RunnerState, 'reader' | 'consumer'>,
  feed: Feed,
  entries: readonly Held[],
): Promise<void> {
  if (entries.length === 0) return;
  try {
    await reader.release(
      feed,
      consumer,
      entries.map(({ delivery }) => delivery),
    );
  } catch (error) {
    if (!(error instanceof GroupMissingError)) throw error;
  }
}

/** Hands entries back without waiting for it. What cannot be handed back is claimed by others once it has been idle. */
export function releaseSoon(state: RunnerState, entries: readonly Held[]): void {
  if (entries.length === 0) return;
  for (const [feed, own] of Map.groupBy(entries, (held) => state.feedOf(held))) {
    releaseEntries(state, feed, own).catch((error: unknown) => {
      state.logger.warn(
        { err: error, stream: feed.place, entries: own.length },
        'entries could not be handed back: they are claimed once idle',
      );
    });
  }
}

function logCircuit(circuit: Circuit, logger: Logger): void {
  const state = circuit.state();
  if (state === 'closed') logger.info({}, 'handlers succeed again');
  if (state === 'half-open') logger.info({}, 'trying whether handlers succeed again');
  if (state === 'open') {
    logger.error(
      { err: circuit.error, pause_ms: Math.round(circuit.pauseMs()) },
      'handlers fail on many aggregates in a row: nothing is started for a while, and no attempt counts until they succeed again',
    );
  }
}

function present<Value>(value: Value | undefined, stream: string): Value {
  if (value === undefined) throw new RangeError(`${stream} is no stream of this group`);
  return value;
}
