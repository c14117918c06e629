import {
  type BusDatabase,
  type HandledEvents,
  loadGroups,
  loadHandledEvents,
  loadTopics,
  openHistory,
  type StartPosition,
} from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import { streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { UnknownGroupError, UnknownTopicError } from '../errors.ts';

/** A group that is accounted for. */
export interface Target {
  readonly group: string;
  readonly topics: ReadonlySet<string>;
  readonly streams: readonly string[];
  /** Where it began with the events of the outbox, if it began at 'now'. */
  readonly start: StartPosition | undefined;
  readonly handled: HandledEvents;
  /** The streams whose history the group has not been through yet, if it starts from the archive. */
  readonly openHistory: ReadonlySet<string>;
}

/** The groups that are asked for: those that can be seen, and the names of those that cannot. */
export interface Targets {
  readonly seen: readonly Target[];
  readonly unseen: readonly string[];
  /** Partitions by topic. */
  readonly partitions: ReadonlyMap<string, number>;
}

/**
 * Finds the groups to account for.
 * @throws UnknownGroupError @throws UnknownTopicError what is asked for is not registered.
 */
export async function findTargets(
  { bus, inbox }: { readonly bus: Kysely<BusDatabase>; readonly inbox: Kysely<BusDatabase> },
  {
    group,
    topic,
    source,
  }: { readonly group?: string; readonly topic?: string; readonly source: string | null },
): Promise<Targets> {
  const [groups, topics, handled, own] = await Promise.all([
    loadGroups(bus),
    loadTopics(bus),
    loadHandledEvents(bus),
    loadInboxGroups(inbox),
  ]);
  if (topic !== undefined && !topics.has(topic)) throw new UnknownTopicError(topic, [...topics.keys()]);
  if (group !== undefined && !groups.some(({ name }) => name === group)) {
    throw new UnknownGroupError(
      group,
      groups.map(({ name }) => name),
    );
  }
  const wanted = groups.filter(
    (one) =>
      (group === undefined || one.name === group) && (topic === undefined || one.topics.includes(topic)),
  );
  const isHere = (name: string) => own.some((one) => one.group === name);
  const partitions = new Map([...topics.values()].map((one) => [one.name, one.partitions]));
  const seen = wanted.filter(({ name }) => isHere(name));
  const histories = await Promise.all(seen.map(({ name }) => openHistory(bus, name)));
  return {
    partitions,
    unseen: wanted.filter(({ name }) => !isHere(name)).map(({ name }) => name),
    seen: seen.map((one, index) => {
      const names = topic === undefined ? one.topics : [topic];
      return {
        group: one.name,
        topics: new Set(names),
        streams: names.flatMap((name) => streamKeys(name, partitions.get(name) ?? 1)),
        start: source === null ? undefined : one.startPositions.get(source),
        handled: handled.get(one.name) ?? new Map(),
        openHistory: histories[index] ?? new Set(),
      };
    }),
  };
}
