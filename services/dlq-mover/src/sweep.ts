import type { BusDatabase } from '@event-bus/database';
import { GroupMissingError, type GroupRef, type StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { removeDeadConsumers } from './dead-consumers.ts';
import { type Moving, moveGivenUp } from './move.ts';
import { createRepair } from './repair.ts';
import { findTargets, type Target } from './targets.ts';

/** What a sweep works with. */
export interface SweepParts extends Moving {
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
  /** After so long a consumer that holds nothing is taken for dead. */
  readonly consumerIdleMs: number;
}

/**
 * Creates the sweep of one mover: it looks through the pending lists of all its groups and gives up what waits for it,
 * brings dead letters and redrives in Redis in line with those in PostgreSQL, and removes the names of dead consumers.
 * Any number of movers may sweep at a time. What fails on one group keeps no other from being looked after.
 */
export function createSweep(parts: SweepParts): (signal: AbortSignal) => Promise<void> {
  const { observer, consumerIdleMs } = parts;
  const repair = createRepair(parts);
  let consumersLookedAt = 0;

  return async (signal) => {
    const beganAt = performance.now();
    const failures: unknown[] = [];
    const isConsumersTurn = beganAt - consumersLookedAt > Math.min(consumerIdleMs, 60_000);
    if (isConsumersTurn) consumersLookedAt = beganAt;
    for (const target of await findTargets(parts)) {
      if (signal.aborted) return;
      try {
        for (const ref of placesOf(target)) {
          await unlessMissing(() => moveGivenUp(parts, ref, target, signal));
          if (isConsumersTurn) await unlessMissing(() => removeDeadConsumers(parts, ref, consumerIdleMs));
        }
        await repair.look(target.group);
      } catch (error) {
        failures.push(error);
      }
    }
    observer.swept(performance.now() - beganAt);
    if (failures.length > 0) throw new AggregateError(failures, 'not all groups could be looked after');
  };
}

function placesOf({ group, streams }: Target): GroupRef[] {
  return streams.flatMap((stream): GroupRef[] => [
    { stream, group },
    { stream, group, injected: true },
  ]);
}

/** A group that does not exist somewhere has nothing pending there. */
async function unlessMissing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof GroupMissingError)) throw error;
  }
}
