import type { Logger } from '@event-bus/telemetry';
import {
  type EventTransport,
  GroupMissingError,
  type GroupReader,
  type GroupRef,
  type StreamObserver,
} from '@event-bus/transport';
import { createAcknowledger } from './acknowledger.ts';
import { type Bell, createBell } from './bell.ts';
import { createFailureRecorder, type Failure } from './failures.ts';
import type { Flusher } from './flusher.ts';
import type { RunnerGroup } from './group.ts';
import { compareHeld, type Held } from './held.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { createMetricsObserver, type RunnerObserver } from './observer.ts';
import { createOutage } from './outage.ts';
import type { RunnerSettings } from './settings.ts';

/** What the parts of one running runner share. */
export interface RunnerState {
  readonly group: RunnerGroup;
  readonly consumer: string;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
  /** For everything but reading new entries, which may block. */
  readonly reader: GroupReader;
  readonly streams: StreamObserver;
  readonly lanes: Lanes<Held>;
  readonly acknowledger: Flusher<Held>;
  readonly failures: Flusher<Failure>;
  readonly observer: RunnerObserver;
  /** Rings when there is room for more entries, and when nothing runs any more. */
  readonly moved: Bell;
}

/** Creates the state of a runner that holds nothing yet. */
export function createRunnerState(parts: {
  readonly group: RunnerGroup;
  readonly consumer: string;
  readonly transport: EventTransport;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
}): RunnerState {
  const { group, consumer, transport, settings, logger } = parts;
  const reader = transport.reader();
  const streams = transport.observer();
  const batchSize = group.transaction === 'batch' ? group.batchSize : 1;
  const lanes = createLanes<Held>({
    concurrency: group.concurrency,
    batchSize,
    capacity: settings.capacity,
    readAhead: settings.readAhead ?? Math.max(2 * group.concurrency * batchSize, settings.readCount),
    compare: compareHeld,
  });
  return {
    group,
    consumer,
    settings,
    logger,
    reader,
    streams,
    lanes,
    acknowledger: createAcknowledger({
      group: group.group,
      reader,
      observer: streams,
      outage: createOutage('acknowledging entries', logger),
      settings,
    }),
    failures: createFailureRecorder({
      group: group.group,
      consumer,
      reader,
      outage: createOutage('recording failures', logger),
    }),
    observer: createMetricsObserver(group.group, () => {
      const { running, waiting } = lanes.counts();
      return running + waiting;
    }),
    moved: createBell(),
  };
}

/** Hands entries back, as far as they are still this runner's; there is none if the group is gone. */
export async function releaseEntries(
  { reader, consumer }: RunnerState,
  ref: GroupRef,
  entries: readonly Held[],
): Promise<void> {
  if (entries.length === 0) return;
  try {
    await reader.release(
      ref,
      consumer,
      entries.map(({ delivery }) => delivery.id),
    );
  } catch (error) {
    if (!(error instanceof GroupMissingError)) throw error;
  }
}
