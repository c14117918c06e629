import { type BusDatabase, beat, type GroupNews, leaveGroup, runnerSilenceMs } from '@event-bus/database';
import { errorText, type Logger } from '@event-bus/telemetry';
import type { Kysely } from 'kysely';
import { createBell } from './bell.ts';
import type { Circuit } from './circuit.ts';
import type { RunnerGroup } from './group.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';

/**
 * What the runners of a group tell each other, and operators tell them, through the database of the bus: renewed every
 * few seconds. While that database is away, what was last known holds; but who was silent for so long that the others may
 * take it for dead, and begin without waiting for it, passes nothing over until it was heard of again.
 */
export interface GroupControl {
  /** An operator has stopped the group. */
  isPaused(): boolean;
  /**
   * No handler for these events here, but another runner of the group that is alive has one; or may have one, since this
   * runner was silent for too long to be told.
   */
  isForeign(eventType: string): boolean;
  /** Tells the others of a change soon. */
  changed(): void;
  /**
   * Puts this runner on the list, and waits until those that lack one of its handlers know of it: until then they pass its
   * events over. Rejects if the database fails.
   */
  join(stop: AbortSignal): Promise<void>;
  /** Renews until the signal aborts. Never rejects. */
  run(stop: AbortSignal): Promise<void>;
  /** Takes this runner off the list. */
  leave(): Promise<void>;
}

/** Creates the control of one runner. `onResume` is told when the group is no longer paused. */
export function createControl(parts: {
  readonly group: RunnerGroup;
  readonly runner: string;
  readonly registry: Kysely<BusDatabase>;
  readonly circuit: Circuit;
  readonly everyMs: number;
  readonly logger: Logger;
  readonly onResume: () => void;
  /** Milliseconds by a clock that nobody sets back, and that goes on while this process is frozen. */
  readonly now?: () => number;
}): GroupControl {
  const { group, runner, registry, circuit, everyMs, logger, onResume } = parts;
  const { now = () => performance.now() } = parts;
  const outage = createOutage('renewing what is known of the group', logger);
  const bell = createBell();
  const own = new Set(group.events);
  let knownAt: string | null = null;
  let paused = false;
  let foreign: ReadonlySet<string> = new Set();
  /** Until then nobody takes this runner for dead: whoever is new waits until it knows. */
  let awaitedUntil = Number.NEGATIVE_INFINITY;
  /** Nobody could take it for dead between the beat before the last and the last, which so tells of all that began. */
  let isTold = false;

  /** Returns what it was told. */
  async function renew(since: string | null = null): Promise<GroupNews> {
    const state = circuit.state();
    const askedAt = now();
    const news = await beat(
      registry,
      {
        group: group.group,
        runner,
        topics: group.topics.map(({ name }) => name),
        events: group.events,
        circuit: state,
        circuitSince: circuit.since,
        circuitError: state === 'closed' ? null : errorText(circuit.error).slice(0, 500).toWellFormed(),
        knownAt,
      },
      since,
    );
    isTold = now() < awaitedUntil;
    awaitedUntil = askedAt + awaitedMs;
    knownAt = news.at;
    foreign = new Set(news.eventsElsewhere.filter((event) => !own.has(event)));
    heed(news.pause);
    return news;
  }

  function heed(pausing: GroupNews['pause']): void {
    if (paused === (pausing !== null)) return;
    paused = pausing !== null;
    if (pausing !== null) logger.warn({ ...pausing }, 'the group is paused: nothing is started');
    else {
      logger.info({}, 'the group is resumed');
      onResume();
    }
  }

  return {
    isPaused: () => paused,
    isForeign: (eventType) =>
      foreign.has(eventType) || (!own.has(eventType) && !(isTold && now() < awaitedUntil)),
    changed: () => bell.ring(),
    async join(stop) {
      // Of two that begin at once neither may see the other's first beat, but one sees it with its second.
      await renew();
      const { at, othersKnow } = await renew();
      if (othersKnow) return;
      logger.info({}, 'waiting until the other runners of the group know of the handlers that they lack');
      while (!stop.aborted && !(await renew(at)).othersKnow) await pause(everyMs / 10, stop);
      logger.info({}, 'all other runners of the group know of them');
    },
    async run(stop) {
      while (!stop.aborted) {
        try {
          const before = foreign;
          await renew();
          outage.recovered();
          // Whoever is new waits to be known; and who was silent knows with its second beat what it missed.
          if (isTold && [...foreign].every((event) => before.has(event))) await bell.wait(everyMs, stop);
        } catch (error) {
          await pause(outage.failed(error), stop);
        }
      }
    },
    leave: () => leaveGroup(registry, group.group, runner),
  };
}

/** Shorter than the others go by, for clocks that go at different rates. */
const awaitedMs = runnerSilenceMs - 5_000;
