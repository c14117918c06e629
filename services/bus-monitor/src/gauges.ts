import { type Attributes, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, monitorMetrics as names } from '@event-bus/telemetry/names';
import { TransportError } from '@event-bus/transport';
import type { Survey } from './survey.ts';
import type { GroupState, StreamState } from './survey-streams.ts';

type Sample = readonly [value: number | null, attributes?: Attributes];

interface GaugeDefinition {
  readonly name: string;
  readonly description: string;
  readonly unit?: string;
  readonly read: (survey: Survey) => readonly Sample[];
}

/**
 * Publishes the last survey as gauges. What could not be told is left out, which is not zero; labels are streams, groups,
 * sources and servers, of which there are few, and never tenants, events or consumers.
 */
export function publishGauges(last: () => Survey | undefined): void {
  const instruments = meter();
  for (const { name, description, unit, read } of gauges) {
    const options = { description, ...(unit === undefined ? {} : { unit }) };
    instruments.createObservableGauge(name, options).addCallback((result) => {
      const found = last();
      if (found === undefined) return;
      for (const [value, attributes] of read(found)) if (value !== null) result.observe(value, attributes);
    });
  }
}

const ofStream = (stream: string) => ({ [attribute.destinationName]: stream });
const ofGroup = (group: string) => ({ [attribute.consumerGroupName]: group });

const perStream =
  (value: (stream: StreamState) => number | null) =>
  ({ streams }: Survey): Sample[] =>
    (streams?.streams ?? []).map((stream) => [value(stream), ofStream(stream.stream)]);

/** On each stream that the group reads. */
const perGroup =
  (value: (group: GroupState) => number | null) =>
  ({ streams }: Survey): Sample[] =>
    (streams?.groups ?? []).map((group) => [
      value(group),
      { ...ofStream(group.stream), ...ofGroup(group.group) },
    ]);

/** The same, where the stream can be read: otherwise nobody can say what is not there. */
const perSeenGroup = (value: (group: GroupState) => number | null) =>
  perGroup((group) => (group.state === 'unreadable' ? null : value(group)));

const ofOutbox =
  (value: (outbox: NonNullable<Survey['outbox']>, at: number) => number) =>
  ({ outbox, at }: Survey): Sample[] =>
    outbox === null ? [] : [[value(outbox, at), { [attribute.source]: outbox.source ?? '' }]];

const ofServer =
  (value: (server: NonNullable<Survey['server']>) => number | null) =>
  ({ server }: Survey): Sample[] =>
    server === null ? [] : [[value(server)]];

const perLetters =
  (value: (letters: NonNullable<Survey['letters']>[number]) => number) =>
  ({ letters }: Survey): Sample[] =>
    (letters ?? []).map((of) => [value(of), ofGroup(of.group)]);

const perHealth =
  (value: (health: NonNullable<Survey['health']>[number]) => number) =>
  ({ health }: Survey): Sample[] =>
    (health ?? []).map((of) => [value(of), ofGroup(of.group)]);

const perReplays =
  (value: (replays: NonNullable<Survey['replays']>[number]) => number) =>
  ({ replays }: Survey): Sample[] =>
    (replays ?? []).map((of) => [value(of), ofGroup(of.group)]);

const gauges: readonly GaugeDefinition[] = [
  {
    name: names.reachable,
    description: '1 while a server answers the monitor; what is told from one that does not is left out',
    read: ({ server, outbox, letters, health, replays, failures }) =>
      Object.entries({
        // A user of Redis may be allowed to ask how the server is, and not how its streams are.
        redis: server !== null && !(failures.get('streams') instanceof TransportError),
        postgres: outbox !== null && letters !== null,
        'bus-postgres': health !== null && replays !== null,
      }).map(([name, answers]) => [answers ? 1 : 0, { [attribute.dependency]: name }]),
  },
  {
    name: names.streamUnreadable,
    description:
      '1 for a stream of which nothing can be told: something else was stored under one of its keys',
    read: ({ streams }) => [
      ...(streams?.streams ?? []).map(({ stream }): Sample => [0, ofStream(stream)]),
      ...(streams?.unreadable ?? []).map(({ stream }): Sample => [1, ofStream(stream)]),
    ],
  },
  {
    name: names.streamLength,
    description: 'Entries in a stream; those that all groups have handled stay until they are archived',
    read: perStream(({ length }) => length),
  },
  {
    name: names.archiveOverdue,
    unit: 's',
    description: 'For how long the oldest entry has been due to be archived: since it left the hot window',
    read: perStream(({ archiveOverdueSeconds }) => archiveOverdueSeconds),
  },
  {
    name: names.trimBlocked,
    unit: 's',
    description: 'For how long a group has kept its oldest unacknowledged entry from being trimmed',
    read: perGroup(({ trimBlockedSeconds }) => trimBlockedSeconds),
  },
  {
    name: names.consumerLag,
    description: 'Entries that a group was not handed yet; left out where the server cannot tell',
    read: perGroup(({ lag }) => lag),
  },
  {
    name: names.consumerLagUnknown,
    description: '1 where the server cannot tell the lag of a group',
    read: perSeenGroup(({ state, lag }) => (state !== 'missing' && lag === null ? 1 : 0)),
  },
  {
    name: names.consumerLagSeconds,
    unit: 's',
    description: 'Age of the oldest entry that a group was not handed yet; 0 if there is none',
    read: perGroup(({ lagSeconds }) => lagSeconds),
  },
  {
    name: names.consumerPending,
    description: 'Entries handed to a group and not acknowledged',
    read: perGroup(({ pending }) => pending),
  },
  {
    name: names.oldestPendingIdle,
    unit: 's',
    description: 'How long the oldest pending entry of a group has not been touched; 0 if none is pending',
    read: perGroup(({ pending, oldestPendingIdleMs }) =>
      pending === null ? null : (oldestPendingIdleMs ?? 0) / 1_000,
    ),
  },
  {
    name: names.consumersAlive,
    description: 'Consumers that a group has on a stream',
    read: perSeenGroup(({ consumers }) => consumers.length),
  },
  {
    name: names.groupMissing,
    description: '1 for a group that is registered and that the server does not know',
    read: perSeenGroup(({ state }) => (state === 'missing' ? 1 : 0)),
  },
  {
    name: names.memoryUsage,
    description: 'Used memory as a share of maxmemory; left out where none is set',
    read: ofServer(({ usedMemoryBytes, maxMemoryBytes }) =>
      maxMemoryBytes === null ? null : usedMemoryBytes / maxMemoryBytes,
    ),
  },
  {
    name: names.memoryUsed,
    unit: 'By',
    description: 'Memory that Redis uses',
    read: ofServer(({ usedMemoryBytes }) => usedMemoryBytes),
  },
  {
    name: names.opsPerSecond,
    description: 'Commands per second',
    read: ofServer(({ opsPerSecond }) => opsPerSecond),
  },
  {
    name: names.replicationLag,
    description: 'Seconds since a replica was heard of',
    read: ({ server }) => [...(server?.replicaLagSeconds ?? [])].map(([replica, lag]) => [lag, { replica }]),
  },
  {
    name: names.outboxPending,
    description: 'Events committed and not yet in a stream, counted up to 100000',
    read: ofOutbox(({ pending }) => pending.count),
  },
  {
    name: names.outboxOldestAge,
    unit: 's',
    description: 'Age of the oldest event that is not in a stream yet; 0 if there is none',
    read: ofOutbox(({ oldestPendingAt }, at) => ageSeconds(oldestPendingAt, at)),
  },
  {
    name: names.outboxParked,
    description: 'Events that could not be written, and those that wait behind them',
    read: ofOutbox(({ parked }) => parked.count),
  },
  {
    name: names.outboxGaps,
    description: 'Positions that were passed and may still be filled',
    read: ofOutbox(({ gaps }) => gaps.positions),
  },
  {
    name: names.outboxOldestGapAge,
    unit: 's',
    description: 'Age of the oldest open gap; 0 if there is none',
    read: ofOutbox(({ gaps }, at) => ageSeconds(gaps.oldestAt, at)),
  },
  {
    name: names.outboxLed,
    description: '1 while a publisher leads the outbox',
    read: ofOutbox(({ isLed }) => (isLed ? 1 : 0)),
  },
  {
    name: names.deadLetters,
    description: 'Dead letters of a group that wait for somebody',
    read: perLetters(({ dead }) => dead),
  },
  {
    name: names.redriving,
    description: 'Dead letters of a group that are to be handled again',
    read: perLetters(({ redriving }) => redriving),
  },
  {
    name: names.circuitOpen,
    description: 'Runners of a group whose circuit is not closed',
    read: perHealth(({ circuitsOpen }) => circuitsOpen),
  },
  {
    name: names.runnersAlive,
    description: 'Runners of a group that were heard of lately',
    read: perHealth(({ runners }) => runners),
  },
  {
    name: names.groupPaused,
    description: '1 while an operator has paused the group',
    read: perHealth(({ isPaused }) => (isPaused ? 1 : 0)),
  },
  {
    name: names.replaysQueued,
    description: 'Replays of a group that no replayer has taken up',
    read: perReplays(({ queued }) => queued),
  },
  {
    name: names.replaysFailed,
    description: 'Replays of a group that have failed, and were neither resumed nor cancelled',
    read: perReplays(({ failed }) => failed),
  },
];

function ageSeconds(instant: Date | null, now: number): number {
  return instant === null ? 0 : Math.max(0, now - instant.getTime()) / 1_000;
}
