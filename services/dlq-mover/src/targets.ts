import { type BusDatabase, loadGroups, loadTopics } from '@event-bus/database';
import { loadInboxGroups } from '@event-bus/inbox';
import { CommandRejectedError, type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { MoverObserver } from './observer.ts';

/** A group that this mover looks after, and the streams it may have entries on. */
export interface Target {
  readonly group: string;
  readonly streams: readonly string[];
  /** An entry that was handed out so often is given up; without end for a group that states no limit. */
  readonly maxDeliveries: number;
  /** After so long without a sign of life the holder of an entry is taken for dead. */
  readonly claimIdleMs: number;
  /** Nobody registered it: it may not be one of ours. */
  readonly isStranger: boolean;
}

/** What tells who is to be looked after. */
export interface TargetSources {
  readonly inbox: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
  readonly observer: MoverObserver;
}

const unlimited = 2 ** 31 - 1;
const usualClaimIdleMs = 30_000;
/** Asking a server for all its groups takes longer the more has failed there. */
const strangersEveryMs = 15_000;

/**
 * Finds the groups to look after: those whose inbox is in this database, on all streams (a group may have read other
 * topics once), and those that exist on the server and that nobody registered. Of the latter only what one of our
 * runners has given up is moved: without a limit that the group states, nobody can say how often is too often. Groups
 * that are registered and have their inbox elsewhere are another mover's.
 */
export function createTargetFinder({
  inbox,
  bus,
  streams,
  observer,
}: TargetSources): () => Promise<Target[]> {
  let strangers: ReadonlyMap<string, readonly string[]> = new Map();
  let askedAt = Number.NEGATIVE_INFINITY;
  const warned = new Set<string>();

  return async () => {
    const [own, registered, topics] = await Promise.all([
      loadInboxGroups(inbox),
      loadGroups(bus),
      loadTopics(bus),
    ]);
    const all = [...topics.values()].flatMap(({ name, partitions }) => streamKeys(name, partitions));
    const known = new Set([...own.map(({ group }) => group), ...registered.map(({ name }) => name)]);
    if (performance.now() - askedAt >= strangersEveryMs) {
      strangers = await groupsOnServer(streams, all);
      askedAt = performance.now();
    }
    const unknown = [...strangers].filter(([group]) => !known.has(group));
    const news = unknown.map(([group]) => group).filter((group) => !warned.has(group));
    if (news.length > 0) observer.strangers(news);
    for (const group of news) warned.add(group);

    return [
      ...own.map((group) => ({ ...group, streams: all, isStranger: false })),
      ...unknown.map(([group, found]) => ({
        group,
        streams: found,
        maxDeliveries: unlimited,
        claimIdleMs: usualClaimIdleMs,
        isStranger: true,
      })),
    ];
  };
}

/** Group -> the streams on which the server knows it. */
async function groupsOnServer(
  streams: StreamObserver,
  all: readonly string[],
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const stream of all) {
    for (const group of await groupsOf(streams, stream)) {
      found.set(group, [...(found.get(group) ?? []), stream]);
    }
  }
  return found;
}

async function groupsOf(streams: StreamObserver, stream: string): Promise<string[]> {
  try {
    return await streams.groupNames(stream);
  } catch (error) {
    // A key that became something else has no groups; the publisher says so.
    if (error instanceof CommandRejectedError) return [];
    throw error;
  }
}
