import type { BusDatabase } from '@event-bus/database';
import { areSettled, type InboxKey, UnrecordableEventError } from '@event-bus/inbox';
import type { Logger } from '@event-bus/telemetry';
import type { Kysely } from 'kysely';
import { inboxKeyOf } from '../inbox-key.ts';
import type { Settlement } from '../settlement.ts';
import { createBell } from './bell.ts';
import type { Feed } from './feed.ts';
import { compareHeld, type Held } from './held.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';

/** That an event was given up. */
export type GivenUp = Extract<Settlement, { kind: 'given-up' }>;

/**
 * In a group that holds: the events that were given up, each from then on until the inbox says that it is dead. Nothing
 * that comes behind one in its aggregate may be handled meanwhile. Afterwards the inbox itself says what has to wait.
 */
export interface Blockers {
  /** `how` is known of what was given up here. */
  add(held: Held, how?: GivenUp): void;
  /**
   * Whether there is one before this event in its aggregate, and then how the event itself is to be given up: like one
   * that waits behind a dead letter itself and was not dead yet when this event had come.
   */
  before(held: Held): { readonly giveUp: GivenUp | undefined } | undefined;
  /** Forgets those that came through a feed: all that is pending there is looked through again. */
  drop(feed: Feed): void;
  /** Looks which are dead by now, until the signal aborts. Never rejects. */
  run(stop: AbortSignal): Promise<void>;
}

/** How often the inbox is asked while there are any. */
export const blockersPollMs = 250;
const pageSize = 500;

interface Blocker {
  readonly held: Held;
  readonly key: InboxKey;
  readonly how: GivenUp | undefined;
  /** When the inbox was asked last, and said that it is not dead. */
  openAt: number;
}

/** Creates them for one group; there are none yet. */
export function createBlockers(parts: {
  readonly group: string;
  readonly inbox: Kysely<BusDatabase>;
  readonly logger: Logger;
}): Blockers {
  const { group, inbox, logger } = parts;
  const outage = createOutage('looking which events are dead', logger);
  const lanes = new Map<string, Map<string, Blocker>>();
  const added = createBell();

  function remove({ held: { key, id } }: Blocker): void {
    const lane = lanes.get(key);
    lane?.delete(id);
    if (lane?.size === 0) lanes.delete(key);
  }

  const all = () =>
    lanes
      .values()
      .flatMap((lane) => lane.values())
      .toArray();

  /** Of what no inbox can record nobody could ever know that it is dead: it must not keep the others waiting. */
  async function areSettledOrNever(keys: readonly InboxKey[]): Promise<readonly boolean[]> {
    try {
      return await areSettled(inbox, keys);
    } catch (error) {
      if (!(error instanceof UnrecordableEventError)) throw error;
      if (keys.length === 1) return [true];
      const middle = Math.ceil(keys.length / 2);
      const halves = [keys.slice(0, middle), keys.slice(middle)].map(areSettledOrNever);
      return (await Promise.all(halves)).flat();
    }
  }

  async function look(page: readonly Blocker[]): Promise<void> {
    const askedAt = performance.now();
    const settled = await areSettledOrNever(page.map(({ key }) => key));
    for (const [index, blocker] of page.entries()) {
      if (settled[index] === true) remove(blocker);
      else blocker.openAt = askedAt;
    }
  }

  return {
    add(held, how) {
      const key = inboxKeyOf(group, held.delivery);
      // It has no place in any order, and nobody could ever know that it is dead.
      if (key === undefined) return;
      // An entry that says it is of a replay holds nothing, here as in the inbox. Only others than the bus write such into a stream.
      if (key.replayId !== '') return;
      const lane = lanes.get(held.key) ?? new Map<string, Blocker>();
      lanes.set(held.key, lane.set(held.id, { held, key, how, openAt: 0 }));
      added.ring();
    },
    before(held) {
      const lane = lanes.get(held.key);
      if (lane === undefined) return undefined;
      const before = [...lane.values()].filter((blocker) => compareHeld(blocker.held, held) < 0);
      if (before.length === 0) return undefined;
      const open = before.find(({ how, openAt }) => how?.why === 'held' && openAt > held.takenAt);
      return { giveUp: open?.how };
    },
    drop(feed) {
      for (const blocker of all()) if (feed.brought(blocker.held.delivery)) remove(blocker);
    },
    async run(stop) {
      while (!stop.aborted) {
        if (lanes.size === 0) await added.wait(60_000, stop);
        if (lanes.size === 0) continue;
        try {
          const blockers = all();
          for (let from = 0; from < blockers.length; from += pageSize) {
            await look(blockers.slice(from, from + pageSize));
          }
          outage.recovered();
          // Many of them means that nobody has settled any for a while.
          await pause(blockersPollMs * Math.ceil(blockers.length / pageSize), stop);
        } catch (error) {
          await pause(outage.failed(error), stop);
        }
      }
    },
  };
}
