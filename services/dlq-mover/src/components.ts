import { type Component, pollLoop, sleep } from '@event-bus/service';
import type { Logger } from '@event-bus/telemetry';
import type { CopyParts } from './copies.ts';
import { removeDeadConsumers } from './dead-consumers.ts';
import type { Moving } from './move.ts';
import { createRepair } from './repair.ts';
import { createSweep } from './sweep.ts';
import { createTargetFinder, type TargetSources } from './targets.ts';

/** How often a mover does what. */
export interface MoverSettings {
  readonly sweepEveryMs: number;
  /** After so long a consumer that holds nothing is taken for dead. */
  readonly consumerIdleMs: number;
  readonly logger: Logger;
}

const longestBetweenLooksAtConsumersMs = 60_000;
/** A repair that takes longer rests so many times longer: a million dead letters must not cost all the time there is. */
const unnoticedMs = 250;
const restPerWork = 9;

/** The parts of a mover. They run beside each other: what takes one of them long keeps none of the others waiting. */
export function createComponents(
  parts: Moving & CopyParts & TargetSources,
  { sweepEveryMs, consumerIdleMs, logger }: MoverSettings,
): Component[] {
  const findTargets = createTargetFinder(parts);
  const repair = createRepair(parts, findTargets);

  const loop = (
    name: string,
    intervalMs: number,
    run: (signal: AbortSignal) => Promise<void>,
    complaint: string,
  ): Component => ({
    name,
    run: ({ drain }) =>
      pollLoop({
        intervalMs,
        signal: drain,
        run,
        onError: (error) => logger.warn({ err: error }, complaint),
      }),
  });

  return [
    loop(
      'mover',
      sweepEveryMs,
      createSweep(parts, findTargets),
      'not all that was given up could be moved; the next sweep goes on',
    ),
    loop(
      'repair',
      sweepEveryMs,
      async (signal) => {
        const beganAt = performance.now();
        try {
          await repair(signal);
        } finally {
          const tookMs = performance.now() - beganAt;
          await sleep(restPerWork * Math.max(0, tookMs - unnoticedMs), signal);
        }
      },
      'not all dead letters could be compared with Redis; the next look goes on',
    ),
    loop(
      'dead-consumers',
      Math.min(consumerIdleMs, longestBetweenLooksAtConsumersMs),
      async (signal) => removeDeadConsumers(parts, await findTargets(), { idleMs: consumerIdleMs, signal }),
      'not all names of dead consumers could be removed',
    ),
  ];
}
