import { type BusDatabase, type RegisteredGroup, TopicPartitionsError } from '@event-bus/database';
import { registerInboxGroup } from '@event-bus/inbox';
import type { Logger } from '@event-bus/telemetry';
import type { EventTransport } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Dispatcher } from '../settlement.ts';
import { createConsumerName } from './consumer-name.ts';
import type { Feed } from './feed.ts';
import { createForgotten, type Forgotten } from './forgotten.ts';
import type { RunnerGroup } from './group.ts';
import { handBack } from './hand-back.ts';
import { createHandling, type Handling } from './handling.ts';
import { createHistoryGate, openGate } from './history.ts';
import { createIntake } from './intake.ts';
import { keepClaimed } from './keepalive.ts';
import { createKnownDuplicates, type KnownDuplicates } from './known-duplicates.ts';
import { type LeaseStore, tendLease } from './leases.ts';
import { createOutage } from './outage.ts';
import { pause, within } from './pause.ts';
import { readNewEntries, sourcesOf } from './reading.ts';
import { tendFeed } from './reclaim.ts';
import { register } from './registration.ts';
import { createRunnerState, type RunnerState } from './runner-state.ts';
import { defaultRunnerSettings, type RunnerSettings } from './settings.ts';
import type { Solitude } from './solitude.ts';

/** What a runner is made of. */
export interface GroupRunnerOptions {
  readonly group: RunnerGroup;
  readonly dispatcher: Dispatcher;
  readonly transport: EventTransport;
  /** The database of the whole bus. */
  readonly registry: Kysely<BusDatabase>;
  /** The database of the inbox. */
  readonly inbox: Kysely<BusDatabase>;
  /** Ordered groups need it, and only they. */
  readonly leases?: LeaseStore;
  /** Shared by all groups of this process. */
  readonly solitude: Solitude;
  readonly logger: Logger;
  readonly settings?: Partial<RunnerSettings>;
}

/** What a runner holds at the moment. */
export interface GroupRunnerStatus {
  readonly consumer: string;
  readonly running: number;
  readonly waiting: number;
  readonly streams: readonly { readonly stream: string; readonly state: Feed['state'] }[];
}

/** Runs one consumer group in this process. */
export interface GroupRunner {
  readonly name: string;
  /**
   * Handles the group's events until `drain` aborts; then finishes what runs, hands back the rest, and resolves.
   * `abort` cuts short what runs. Resolves, in bounded time, also when neither Redis nor PostgreSQL answers.
   * @throws TopicPartitionsError a topic of the group is registered with another number of partitions.
   */
  run(signals: { readonly drain: AbortSignal; readonly abort: AbortSignal }): Promise<void>;
  status(): GroupRunnerStatus;
}

/**
 * Creates the runner of a group. Any number of runners, in any number of processes, may share a group; of an
 * ordered group each stream is handled by one of them, and the others stand by.
 */
export function createGroupRunner(options: GroupRunnerOptions): GroupRunner {
  const { group, dispatcher, transport, registry, inbox, solitude } = options;
  const consumer = createConsumerName();
  const settings = { ...defaultRunnerSettings, ...options.settings };
  const logger = options.logger.child({ group: group.group, consumer });
  const aborting = new AbortController();
  const state = createRunnerState({
    group,
    consumer,
    transport,
    registry,
    inbox,
    settings,
    logger,
    solitude,
    abort: aborting.signal,
    onStartable: () => handling.pump(),
  });
  const duplicates = createKnownDuplicates(state, { dispatcher, signal: aborting.signal });
  const forgotten = createForgotten({ group, inbox, logger });
  const handling = createHandling(state, { dispatcher, duplicates });

  return {
    name: `group ${group.group}`,
    async run({ drain, abort }) {
      try {
        const registered = await registerUntilDone(options, { ...state, forgotten }, drain);
        if (registered === undefined) return;
        await handleUntilDrained(options, {
          state,
          handling,
          duplicates,
          forgotten,
          registered,
          drain,
          abort,
          aborting,
        });
      } finally {
        await Promise.allSettled([state.reader.close(), state.streams.close()]);
      }
    },
    status() {
      const { running, waiting } = state.lanes.counts();
      const streams = state.slots.map(({ stream, feeds }) => ({
        stream,
        state: feeds[0]?.state ?? 'standby',
      }));
      return { consumer, running, waiting, streams };
    },
  };
}

/** Returns the registered group, or `undefined` if it was told to stop before it could be registered. */
async function registerUntilDone(
  { group, registry, inbox }: GroupRunnerOptions,
  { streams, settings, control, logger, forgotten }: RunnerState & { readonly forgotten: Forgotten },
  drain: AbortSignal,
): Promise<RegisteredGroup | undefined> {
  const outage = createOutage('registering the group', logger);
  while (!drain.aborted) {
    try {
      const { claimIdleMs } = settings;
      await registerInboxGroup(inbox, { ...group, claimIdleMs });
      await forgotten.load();
      const registered = await register(group, { registry, streams, logger });
      await control.join(drain);
      outage.recovered();
      return registered;
    } catch (error) {
      if (error instanceof TopicPartitionsError) throw error;
      await pause(outage.failed(error), drain);
    }
  }
  return undefined;
}

interface Run {
  readonly state: RunnerState;
  readonly handling: Handling;
  readonly duplicates: KnownDuplicates;
  readonly forgotten: Forgotten;
  readonly registered: RegisteredGroup;
  readonly drain: AbortSignal;
  readonly abort: AbortSignal;
  /** Aborts the handlers. */
  readonly aborting: AbortController;
}

async function handleUntilDrained(options: GroupRunnerOptions, run: Run): Promise<void> {
  const { transport, registry, leases } = options;
  const { state, handling, duplicates, forgotten, registered, abort, aborting } = run;
  const ended = new AbortController();
  const broken = new AbortController();
  const drain = AbortSignal.any([run.drain, broken.signal]);
  const startPositions = registered.startFrom === 'now' ? registered.startPositions : new Map();
  const onOpen = () => state.moved.ring();
  const history =
    registered.startFrom === 'archive'
      ? createHistoryGate({ group: registered.name, registry, logger: state.logger, onOpen })
      : openGate;
  const intake = createIntake(state, { startPositions, forgotten, duplicates, pump: handling.pump });
  const reader = transport.reader();
  const stop = ended.signal;

  // A loop never rejects; should one do so, the others hand back what they hold before the process ends with it.
  const watch = (loop: Promise<void>) =>
    loop.catch((error: unknown) => {
      broken.abort(error);
    });
  const takingIn = [
    ...sourcesOf(state, reader).map((source) =>
      readNewEntries(state, { source, intake, duplicates, history, drain }),
    ),
    ...state.feeds.map((feed) => tendFeed(state, { feed, intake, drain })),
  ].map(watch);
  const upkeep = [
    keepClaimed(state, stop),
    state.control.run(stop),
    state.acknowledger.run(stop),
    state.failures.run(stop),
    state.blockers.run(stop),
    forgotten.run(stop),
    history.run(stop),
    ...(leases === undefined
      ? []
      : state.slots.map((slot) => tendLease(state, { slot, store: leases, drain, stop }))),
  ].map(watch);

  try {
    await aborted(drain);
    state.lanes.drain();
    await Promise.all(takingIn);
    await finishRunning(state, { abort, aborting });
  } finally {
    handling.stop();
    ended.abort();
    await within(Promise.all(upkeep), state.settings.stopPatienceMs, undefined);
    await handBack(state, leases);
    await reader.close();
  }
  broken.signal.throwIfAborted();
}

/** Waits for what runs; once aborted, no longer than patience lasts. */
async function finishRunning(
  { lanes, moved, settings, logger }: RunnerState,
  { abort, aborting }: Pick<Run, 'abort' | 'aborting'>,
): Promise<void> {
  while (lanes.counts().takings > 0 && !abort.aborted) await moved.wait(60_000, abort);
  aborting.abort(abort.reason);
  const deadline = performance.now() + settings.stopPatienceMs;
  while (lanes.counts().takings > 0 && performance.now() < deadline) {
    await moved.wait(deadline - performance.now());
  }
  const { running } = lanes.counts();
  if (running > 0) {
    logger.error(
      { running },
      'handlers did not end when they were aborted: their entries are claimed by others once idle',
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
