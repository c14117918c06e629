import type { Replay } from '@event-bus/database';
import { meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';
import type { StreamEntry } from '@event-bus/transport';
import { traceReplayed } from './replay-span.ts';

/** Told of what a replayer does. */
export interface ReplayObserver {
  /** Entries were injected together, which began at `beganAt`, in milliseconds since the epoch. */
  injected(replay: Replay, stream: string, entries: readonly StreamEntry[], beganAt: number): void;
  ended(replay: Replay, how: 'done' | 'failed' | 'stopped'): void;
}

/** Creates the observer of one replayer. */
export function createReplayObserver(): ReplayObserver {
  const injected = meter().createCounter(metricNames.replayedEvents, {
    description: 'Events injected for a group from history',
  });
  const ended = meter().createCounter(metricNames.replaysEnded, {
    description: 'Replays that ended here, or went elsewhere',
  });
  const of = ({ group }: Replay) => ({
    [attribute.messagingSystem]: messagingSystem,
    [attribute.consumerGroupName]: group,
  });
  return {
    injected(replay, stream, entries, beganAt) {
      injected.add(entries.length, { ...of(replay), [attribute.destinationName]: stream });
      traceReplayed(replay, stream, entries, beganAt);
    },
    ended: (replay, how) => ended.add(1, { ...of(replay), [attribute.outcome]: how }),
  };
}
