import { loadInboxFloors } from '@event-bus/inbox';
import { meter } from '@event-bus/telemetry';
import { attributeNames, metricNames } from '@event-bus/telemetry/names';
import type { Delivery } from '@event-bus/transport';
import { createOutage } from './outage.ts';
import { pause } from './pause.ts';
import type { RunnerStateParts } from './runner-state.ts';

const everyMs = 2_000;

/** After so long every runner goes by what was written down of its group. */
export const floorsKnownMs = 3 * everyMs;

/**
 * Tells what the group settled so long ago that its inbox need not remember it: live events that come again after their
 * inbox rows went, from a backup of Redis that is too old, say. They are acknowledged and not handled. It is told per stream:
 * of one that the group took up later nothing was settled then.
 */
export interface Forgotten {
  /** Whether this is such an event. Nothing that was injected is: somebody wants it handled. */
  has(delivery: Delivery): boolean;
  load(): Promise<void>;
  /** Loads what is new until it is told to stop. Never rejects. */
  run(stop: AbortSignal): Promise<void>;
}

/** Creates it for one runner. */
export function createForgotten({
  group: { group },
  inbox,
  logger,
}: Pick<RunnerStateParts, 'group' | 'inbox' | 'logger'>): Forgotten {
  const events = meter().createCounter(metricNames.forgottenEvents, {
    description: 'Events that came again after the inbox had forgotten them',
  });
  let floors: ReadonlyMap<string, ReadonlyMap<string, bigint>> = new Map();

  async function load(): Promise<void> {
    floors = await loadInboxFloors(inbox, group);
  }

  return {
    load,
    has(delivery) {
      const { source = '', position = '', event_id: eventId } = delivery.fields;
      const floor = floors.get(delivery.stream)?.get(source);
      if (delivery.injected === true || floor === undefined || !/^[1-9]\d{0,18}$/.test(position))
        return false;
      if (BigInt(position) > floor) return false;
      events.add(1, { [attributeNames.consumerGroupName]: group });
      logger.warn(
        { stream: delivery.stream, id: delivery.id, eventId, source, position },
        'an event came again that was settled so long ago that the inbox has forgotten it: acknowledged, not handled',
      );
      return true;
    },
    async run(stop) {
      const outage = createOutage('looking up what the inbox has forgotten', logger);
      let waitMs = everyMs;
      while (!stop.aborted) {
        await pause(waitMs, stop);
        try {
          await load();
          outage.recovered();
          waitMs = everyMs;
        } catch (error) {
          waitMs = outage.failed(error);
        }
      }
    },
  };
}
