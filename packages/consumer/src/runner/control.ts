import { type BusDatabase, beat, leaveGroup } from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import type { Kysely } from 'kysely';
import { createBell } from './bell.ts';
import type { Circuit } from './circuit.ts';
import type { RunnerGroup } from './group.ts';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';

/**
 * What the runners of a group tell each other, and operators tell them, through the database of the bus: renewed every
 * few seconds. While that database is away, what was last known holds.
 */
export interface GroupControl {
  /** An operator has stopped the group. */
  isPaused(): boolean;
  /** Another runner of the group that is alive has a handler for these events. */
  isHandledElsewhere(eventType: string): boolean;
  /** Tells the others of a change soon. */
  changed(): void;
  /** Until the signal aborts. Never rejects. */
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
}): GroupControl {
  const { group, runner, registry, circuit, everyMs, logger, onResume } = parts;
  const outage = createOutage('renewing what is known of the group', logger);
  const bell = createBell();
  let paused = false;
  let elsewhere: ReadonlySet<string> = new Set();

  async function renew(): Promise<void> {
    const known = await beat(registry, {
      group: group.group,
      runner,
      events: group.events,
      circuit: circuit.state(),
      circuitSince: circuit.since,
      circuitError: circuit.state() === 'closed' ? null : textOf(circuit.error),
    });
    elsewhere = new Set(known.eventsElsewhere);
    if (paused === (known.pause !== null)) return;
    paused = known.pause !== null;
    if (known.pause !== null) logger.warn({ ...known.pause }, 'the group is paused: nothing new is started');
    else {
      logger.info({}, 'the group is resumed');
      onResume();
    }
  }

  return {
    isPaused: () => paused,
    isHandledElsewhere: (eventType) => elsewhere.has(eventType),
    changed: () => bell.ring(),
    async run(stop) {
      while (!stop.aborted) {
        try {
          await renew();
          outage.recovered();
          await bell.wait(everyMs, stop);
        } catch (error) {
          await pause(outage.failed(error), stop);
        }
      }
    },
    leave: () => leaveGroup(registry, group.group, runner),
  };
}

function textOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    .slice(0, 500)
    .toWellFormed();
}
