import {
  type BusDatabase,
  loadGroup,
  type RegisteredGroup,
  registerGroup,
  registerTopics,
  requestHistory,
} from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import { type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { RunnerGroup } from './group.ts';
import { readStartPositions } from './start-positions.ts';

/**
 * Makes the group and its topics known to the whole bus, and returns what is registered. The first registration
 * of a group that starts "now" looks up what stands in its streams; later ones keep what that found. For one that starts
 * from the archive its history is asked for, once.
 * @throws TopicPartitionsError a topic is registered with another number of partitions.
 */
export async function register(
  group: RunnerGroup,
  parts: {
    readonly registry: Kysely<BusDatabase>;
    readonly streams: StreamObserver;
    readonly logger: Logger;
  },
): Promise<RegisteredGroup> {
  const { registry, streams, logger } = parts;
  await registerTopics(registry, group.topics);
  const known = await loadGroup(registry, group.group);
  const lookUp = known === undefined && group.startFrom === 'now';
  const registered = await registerGroup(registry, {
    name: group.group,
    topics: group.topics.map(({ name }) => name),
    ordering: group.ordering,
    startFrom: group.startFrom,
    startPositions: lookUp ? await readStartPositions(streamsOf(group), streams, logger) : new Map(),
    policy: group.policy,
  });
  if (registered.startFrom === 'archive') {
    await requestHistory(registry, { group: group.group, streams: streamsOf(group) });
  }
  return registered;
}

/** All streams of the group's topics. */
export function streamsOf(group: RunnerGroup): string[] {
  return group.topics.flatMap(({ name, partitions }) => streamKeys(name, partitions));
}
