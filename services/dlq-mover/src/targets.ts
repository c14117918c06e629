import { type BusDatabase, loadGroups, loadTopics } from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import { type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** A group that this mover looks after, and the streams it may have entries on. */
export interface Target {
  readonly group: string;
  readonly streams: readonly string[];
  /** An entry that was handed out so often is given up; without end for a group that states no limit. */
  readonly maxDeliveries: number;
  /** After so long without a sign of life the holder of an entry is taken for dead. */
  readonly claimIdleMs: number;
}

const unlimited = 2 ** 31 - 1;
const usualClaimIdleMs = 30_000;

/**
 * The groups to look after: those whose inbox is in this database, on all streams (a group may have read other topics
 * once), and those that exist on the server and that nobody registered. Of the latter only what one of our runners has
 * given up is moved: without a limit that the group states, nobody can say how often is too often. Groups that are
 * registered and have their inbox elsewhere are another mover's.
 */
export async function findTargets({
  inbox,
  bus,
  streams,
}: {
  readonly inbox: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
}): Promise<Target[]> {
  const [own, registered, topics] = await Promise.all([
    loadInboxGroups(inbox),
    loadGroups(bus),
    loadTopics(bus),
  ]);
  const all = [...topics.values()].flatMap(({ name, partitions }) => streamKeys(name, partitions));
  const known = new Set([...own.map(({ group }) => group), ...registered.map(({ name }) => name)]);

  const strangers = new Map<string, string[]>();
  for (const stream of all) {
    for (const { group } of await streams.groups(stream)) {
      if (!known.has(group)) strangers.set(group, [...(strangers.get(group) ?? []), stream]);
    }
  }
  return [
    ...own.map(({ group, maxDeliveries, claimIdleMs }) => ({
      group,
      streams: all,
      maxDeliveries,
      claimIdleMs,
    })),
    ...[...strangers].map(([group, found]) => ({
      group,
      streams: found,
      maxDeliveries: unlimited,
      claimIdleMs: usualClaimIdleMs,
    })),
  ];
}
