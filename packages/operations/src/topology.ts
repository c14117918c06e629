import {
  type BusDatabase,
  loadGroup,
  loadGroups,
  loadTopics,
  type RegisteredGroup,
} from '@event-bus/database';
import { formerStreamKeys, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { UnknownGroupError, UnknownTopicError } from './errors.ts';

/** Every stream of every registered topic, with the topic's name, ordered by topic and partition. */
export async function registeredStreams(bus: Kysely<BusDatabase>): Promise<Map<string, string>> {
  const topics = [...(await loadTopics(bus)).values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(
    topics.flatMap(({ name, partitions }) => streamKeys(name, partitions).map((stream) => [stream, name])),
  );
}

/**
 * The streams that topics of several partitions had while they had one, with the topic's name. Some of them never were. What
 * they hold is archived, trimmed and deleted as before.
 */
export async function formerStreams(bus: Kysely<BusDatabase>): Promise<Map<string, string>> {
  const topics = [...(await loadTopics(bus)).values()];
  return new Map(
    topics.flatMap(({ name, partitions }) =>
      formerStreamKeys(name, partitions).map((stream) => [stream, name]),
    ),
  );
}

/**
 * The registered groups that are to read a stream of a topic. Of a former one only those that are on it, `present`: who came later
 * was never to read it.
 */
export function readersOf(
  registered: readonly RegisteredGroup[],
  topic: string,
  present: readonly string[] | null,
): string[] {
  return registered
    .filter(({ name, topics }) => topics.includes(topic) && (present?.includes(name) ?? true))
    .map(({ name }) => name);
}

/** All streams whose entries are kept as long as a policy says: the registered ones, and those before them. */
export async function retainedStreams(bus: Kysely<BusDatabase>): Promise<Map<string, string>> {
  return new Map([...(await registeredStreams(bus)), ...(await formerStreams(bus))]);
}

/**
 * The streams of one topic, or of all registered ones.
 * @throws UnknownTopicError the topic is not registered.
 */
export async function streamsOfTopics(bus: Kysely<BusDatabase>, topic?: string): Promise<string[]> {
  const streams = await registeredStreams(bus);
  if (topic === undefined) return [...streams.keys()];
  const own = [...streams].filter(([, name]) => name === topic).map(([stream]) => stream);
  if (own.length === 0) throw new UnknownTopicError(topic, [...new Set(streams.values())]);
  return own;
}

/**
 * The streams that a registered group reads.
 * @throws UnknownGroupError the group is not registered.
 */
export async function streamsOfGroup(bus: Kysely<BusDatabase>, group: string): Promise<string[]> {
  const registered = await loadGroup(bus, group);
  if (registered === undefined) {
    throw new UnknownGroupError(
      group,
      (await loadGroups(bus)).map(({ name }) => name),
    );
  }
  const topics = await loadTopics(bus);
  return registered.topics.flatMap((topic) => streamKeys(topic, topics.get(topic)?.partitions ?? 1));
}
