import {
  type BusDatabase,
  type GroupPause,
  type LiveRunner,
  loadGroups,
  loadLiveRunners,
  loadPauses,
  loadTopics,
  openHistory,
  type RegisteredGroup,
} from '@event-bus/database';
import { type GroupStatus, HANDED_BACK, type StreamObserver, streamKeys } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { UnknownGroupError } from './errors.ts';
import { registeredStreams } from './topology.ts';
import { StreamUnreadableError, unlessUnreadable } from './unreadable.ts';

/** A consumer of a group. */
export interface GroupConsumer {
  readonly name: string;
  readonly pending: number;
  readonly idleMs: number;
}

/** Runners of a group that start little or nothing, since handlers fail on many aggregates. */
export interface OpenCircuit {
  /** How many runners. */
  readonly runners: number;
  /** Of the first of them. */
  readonly since: Date;
  readonly error: string;
}

/** One group on one stream. What only the server knows is `null` while the group is missing there or cannot be looked at. */
export interface GroupView {
  readonly group: string;
  readonly stream: string;
  /**
   * - `present`: registered, and on the server.
   * - `missing`: registered, but not on the server: its runner creates it when it starts or next reads.
   * - `unregistered`: on the server, but no runner ever registered it.
   * - `unreadable`: registered, and something else was stored under a key of the stream.
   */
  readonly state: 'present' | 'missing' | 'unregistered' | 'unreadable';
  readonly ordering: RegisteredGroup['ordering'] | null;
  /** The same on all its streams: runners that are alive, whether they hold anything or not. */
  readonly runners: number;
  /** The same on all its streams: set while an operator has paused the group. */
  readonly pause: GroupPause | null;
  /** The same on all its streams. */
  readonly circuit: OpenCircuit | null;
  /** It starts from the archive, and reads this stream when it has been through what the archive has of it. */
  readonly awaitsHistory: boolean;
  readonly pending: number | null;
  /** Entries not yet handed out. `null` where the server cannot tell, which is not zero. */
  readonly lag: number | null;
  /** How long the oldest pending entry has not been touched. `null` if none is pending. */
  readonly oldestPendingIdleMs: number | null;
  readonly oldestPendingId: string | null;
  readonly consumers: readonly GroupConsumer[];
  /** Pending entries that were handed back and wait for the next claim. */
  readonly handedBack: number;
  /** Pending entries that will not be retried. */
  readonly failed: number | null;
  readonly lastDeliveredId: string | null;
}

/**
 * All groups on all streams: those that are registered, whether the server knows them or not, and those that only the
 * server knows, on the streams of registered topics. Reads only. A stream that cannot be read hides no other.
 * @param only the one group to look at.
 * @throws UnknownGroupError that group is neither registered nor on the server.
 */
export async function listGroups(
  from: { readonly bus: Kysely<BusDatabase>; readonly observer: StreamObserver },
  only?: string,
): Promise<GroupView[]> {
  const { bus, observer } = from;
  const [groups, topics, streams, states] = await Promise.all([
    loadGroups(bus),
    loadTopics(bus),
    registeredStreams(bus),
    readStates(bus),
  ]);
  const histories = new Map(
    await Promise.all(groups.map(async ({ name }) => [name, await openHistory(bus, name)] as const)),
  );
  const expected = groups.flatMap((group) =>
    group.topics
      .flatMap((topic) => streamKeys(topic, topics.get(topic)?.partitions ?? 1))
      .map((stream) => ({ group, stream })),
  );
  const names = new Set([...streams.keys(), ...expected.map(({ stream }) => stream)]);
  const found = new Map<string, GroupStatus>();
  const unreadable = new Set<string>();
  const look = async (name: string) => {
    const statuses = await unlessUnreadable(observer, name, () => observer.groups(name));
    if (statuses instanceof StreamUnreadableError) unreadable.add(name);
    else for (const status of statuses) found.set(keyOf(status), status);
  };
  await Promise.all([...names].map(look));

  const views = expected.map(({ group, stream }) => {
    const key = keyOf({ group: group.name, stream });
    const status = found.get(key);
    found.delete(key);
    return {
      ...(status === undefined
        ? unseen(group, stream, unreadable.has(stream) ? 'unreadable' : 'missing')
        : present(status, group)),
      ...states(group.name),
      awaitsHistory: histories.get(group.name)?.has(stream) ?? false,
    };
  });
  views.push(
    ...[...found.values()].map((status) => ({
      ...present(status),
      ...states(status.group),
      awaitsHistory: false,
    })),
  );
  const wanted = only === undefined ? views : views.filter(({ group }) => group === only);
  if (only !== undefined && wanted.length === 0) {
    throw new UnknownGroupError(
      only,
      groups.map(({ name }) => name),
    );
  }
  return wanted.sort((a, b) => compare(a.group, b.group) || compare(a.stream, b.stream));
}

type GroupState = Pick<GroupView, 'runners' | 'pause' | 'circuit'>;

async function readStates(bus: Kysely<BusDatabase>): Promise<(group: string) => GroupState> {
  const [pauses, runners] = await Promise.all([loadPauses(bus), loadLiveRunners(bus)]);
  const byGroup = Map.groupBy(runners, ({ group }) => group);
  return (group) => {
    const own = byGroup.get(group) ?? [];
    return { runners: own.length, pause: pauses.get(group) ?? null, circuit: openCircuit(own) };
  };
}

function openCircuit(runners: readonly LiveRunner[]): OpenCircuit | null {
  const open = runners.flatMap(({ circuit, circuitSince, circuitError }) =>
    circuit === 'closed' || circuitSince === null ? [] : [{ since: circuitSince, error: circuitError ?? '' }],
  );
  const [first] = open.toSorted((a, b) => a.since.getTime() - b.since.getTime());
  return first === undefined ? null : { runners: open.length, ...first };
}

function present(
  status: GroupStatus,
  registered?: RegisteredGroup,
): Omit<GroupView, keyof GroupState | 'awaitsHistory'> {
  const handedBack = status.consumers.find(({ name }) => name === HANDED_BACK);
  return {
    group: status.group,
    stream: status.stream,
    state: registered === undefined ? 'unregistered' : 'present',
    ordering: registered?.ordering ?? null,
    pending: status.pending,
    lag: status.lag,
    oldestPendingIdleMs: status.oldestPendingIdleMs,
    oldestPendingId: status.oldestPendingId,
    consumers: status.consumers.filter(({ name }) => name !== HANDED_BACK),
    handedBack: handedBack?.pending ?? 0,
    failed: status.failed,
    lastDeliveredId: status.lastDeliveredId,
  };
}

function unseen(
  group: RegisteredGroup,
  stream: string,
  state: 'missing' | 'unreadable',
): Omit<GroupView, keyof GroupState | 'awaitsHistory'> {
  return {
    group: group.name,
    stream,
    state,
    ordering: group.ordering,
    pending: null,
    lag: null,
    oldestPendingIdleMs: null,
    oldestPendingId: null,
    consumers: [],
    handedBack: 0,
    failed: null,
    lastDeliveredId: null,
  };
}

function keyOf({ group, stream }: { readonly group: string; readonly stream: string }): string {
  return `${stream} ${group}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
