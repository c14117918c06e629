import type { Delivery, FailureRecord, StreamEntry } from '@event-bus/transport';
import type { Feed } from './feed.ts';
import type { Forgotten } from './forgotten.ts';
import { type Held, toHeld } from './held.ts';
import type { KnownDuplicates } from './known-duplicates.ts';
import { recallFailures } from './recall.ts';
import { type RunnerState, releaseSoon } from './runner-state.ts';
import { isBeforeStart, type StartPositions } from './start-positions.ts';

/** Takes entries in hand. */
export interface Intake {
  /** Entries of a read: never seen before by this group, as far as the server remembers. */
  takeNew(feed: Feed, deliveries: readonly Delivery[]): void;
  /**
   * Entries of a claim: what is recorded of their failures is looked up, and their backoff kept. Those of a stream that
   * were left alone because they are given up keep their aggregates. If anything has happened to the feed since the claim
   * was sent, all goes back: another runner may have the right to it.
   */
  takeClaimed(feed: Feed, claimed: Claimed): Promise<void>;
}

/** What a claim brought. */
export interface Claimed {
  readonly deliveries: readonly Delivery[];
  readonly givenUp: readonly StreamEntry[];
  /** How the feed stood when the claim was sent: its `recovery`. */
  readonly began: symbol;
}

/** Creates the intake. `pump` is called when something may start. */
export function createIntake(
  state: RunnerState,
  parts: {
    readonly startPositions: StartPositions;
    readonly forgotten: Pick<Forgotten, 'has'>;
    readonly duplicates: KnownDuplicates;
    readonly pump: () => void;
  },
): Intake {
  const { startPositions, forgotten, duplicates, pump } = parts;
  const { group, lanes, blockers, acknowledger, reader } = state;

  function take(
    feed: Feed,
    deliveries: readonly Delivery[],
    records: ReadonlyMap<string, FailureRecord>,
  ): void {
    const refused: Held[] = [];
    for (const delivery of deliveries) {
      const record = records.get(delivery.id);
      const held = toHeld(delivery, group, record);
      const isPast = delivery.injected !== true && isBeforeStart(startPositions, delivery.fields);
      if (isPast || forgotten.has(delivery)) acknowledger.add(held.id, held);
      else if (lanes.offer(held, dueOf(record)) === 'full') refused.push(held);
    }
    if (refused.length > 0) handBack(feed, refused);
    pump();
  }

  function handBack(feed: Feed, refused: readonly Held[]): void {
    feed.mayHaveMissed();
    releaseSoon(state, refused);
  }

  return {
    takeNew: (feed, deliveries) => take(feed, deliveries, new Map()),
    async takeClaimed(feed, { deliveries: claimed, givenUp, began }) {
      const deliveries = feed.injected === true ? claimed : await duplicates.sift(claimed);
      const records = await recallFailures(reader, feed, deliveries);
      // The lease may have gone, and come again.
      if (feed.recovery !== began) {
        handBack(
          feed,
          deliveries.map((delivery) => toHeld(delivery, group)),
        );
        return;
      }
      for (const entry of givenUp) {
        const held = toHeld({ ...entry, stream: feed.stream, deliveries: 0 }, group);
        // It may just be tried here, for the last time.
        if (!lanes.holds(held.id)) blockers.add(held);
      }
      take(feed, deliveries, records);
    },
  };
}

/**
 * When an entry with a recorded failure is to be handled, by `performance.now()`. Never later than its backoff took then:
 * the clock of whoever recorded it may have been ahead.
 */
function dueOf(record: FailureRecord | undefined): number {
  if (record === undefined) return 0;
  const waitMs = Math.min(record.dueAt - Date.now(), record.dueAt - record.failedAt);
  return waitMs <= 0 ? 0 : performance.now() + waitMs;
}
