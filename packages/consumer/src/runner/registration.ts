import {
  type BusDatabase,
  loadGroup,
  type RegisteredGroup,
  registerGroup,
  registerTopics,
} from '@event-bus/database';
import type { Logger } from '@event-bus/telemetry';
import { type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { RunnerGroup } from './group.ts';

/**
 * Makes the group and its topics known to the whole bus, and returns what is registered. The first registration
 * of a group that starts "now" looks up what stands in its streams; later ones keep what that found.
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
  return registerGroup(registry, {
    name: group.group,
    topics: group.topics.map(({ name }) => name),
    ordering: group.ordering,
    startFrom: group.startFrom,
    startPositions: lookUp ? await newestPositions(streamsOf(group), streams, logger) : new Map(),
    policy: group.policy,
  });
}

/** All streams of the group's topics. */
export function streamsOf(group: RunnerGroup): string[] {
  return group.topics.flatMap(({ name, partitions }) => streamKeys(name, partitions));
}

/** How far back to look for a source whose marked entry is gone. */
const searchCount = 1_000;

/** The last position of each source that stands in the streams. */
async function newestPositions(
  names: readonly string[],
  streams: StreamObserver,
  logger: Logger,
): Promise<Map<string, bigint>> {
  const positions = new Map<string, bigint>();
  const note = (fields: Readonly<Record<string, string>>) => {
    const { source = '', position = '' } = fields;
    if (!/^[1-9]\d{0,18}$/.test(position)) return false;
    const found = BigInt(position);
    if (found > (positions.get(source) ?? 0n)) positions.set(source, found);
    return true;
  };
  for (const name of names) {
    const { writers } = await streams.stream(name);
    for (const [source, mark] of writers) {
      const [entry] = await streams.range(name, mark.entryId, mark.entryId, 1);
      if (entry?.fields.event_id === mark.eventId && note(entry.fields)) continue;
      const newest = await streams.newest(name, searchCount);
      if (newest.filter(({ fields }) => fields.source === source && note(fields)).length > 0) continue;
      logger.warn(
        { stream: name, source },
        'no event of this source is found in the stream: the group, which is to start now, handles it from its beginning',
      );
    }
  }
  return positions;
}
