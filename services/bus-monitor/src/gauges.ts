import { type Attributes, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, monitorMetrics as names } from '@event-bus/telemetry/names';
import type { Survey } from './survey.ts';

type Sample = readonly [value: number | null, attributes?: Attributes];

interface GaugeDefinition {
  readonly name: string;
  readonly description: string;
  readonly unit?: string;
  readonly read: (survey: Survey) => readonly Sample[];
}

/**
 * Publishes the last survey as gauges. What could not be told is left out, which is not zero; labels are streams, groups
 * and sources, of which there are few, and never tenants or events.
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
const ofBoth = ({ stream, group }: { readonly stream: string; readonly group: string }) => ({
  ...ofStream(stream),
  ...ofGroup(group),
});
const ofSource = ({ outbox }: Survey) => ({ [attribute.source]: outbox.source ?? '' });

const gauges: readonly GaugeDefinition[] = [
  {
    name: names.streamLength,
    description: 'Entries in a stream; those that all groups have handled stay until they are archived',
    read: ({ streams }) => streams.map(({ stream, length }) => [length, ofStream(stream)]),
  },
  {
    name: names.consumerLag,
    description: 'Entries that a group was not handed yet; left out where the server cannot tell',
    read: ({ groups }) => groups.map((group) => [group.lag, ofBoth(group)]),
  },
  {
    name: names.consumerLagUnknown,
    description: '1 where the server cannot tell the lag of a group',
    read: ({ groups }) =>
      groups.map((group) => [group.state !== 'missing' && group.lag === null ? 1 : 0, ofBoth(group)]),
  },
  {
    name: names.consumerLagSeconds,
    unit: 's',
    description: 'Age of the oldest entry that a group was not handed yet; 0 if there is none',
    read: ({ groups }) => groups.map((group) => [group.lagSeconds, ofBoth(group)]),
  },
  {
    name: names.consumerPending,
    description: 'Entries handed to a group and not acknowledged',
    read: ({ groups }) => groups.map((group) => [group.pending, ofBoth(group)]),
  },
  {
    name: names.oldestPendingIdle,
    unit: 's',
    description: 'How long the oldest pending entry of a group has not been touched; 0 if none is pending',
    read: ({ groups }) =>
      groups.map((group) => [
        group.pending === null ? null : (group.oldestPendingIdleMs ?? 0) / 1_000,
        ofBoth(group),
      ]),
  },
  {
    name: names.consumersAlive,
    description: 'Consumers that a group has on a stream',
    read: ({ groups }) => groups.map((group) => [group.consumers.length, ofBoth(group)]),
  },
  {
    name: names.groupMissing,
    description: '1 for a group that is registered and that the server does not know',
    read: ({ groups }) => groups.map((group) => [group.state === 'missing' ? 1 : 0, ofBoth(group)]),
  },
  {
    name: names.memoryUsage,
    description: 'Used memory as a share of maxmemory; left out where none is set',
    read: ({ server }) => [
      [server.maxMemoryBytes === null ? null : server.usedMemoryBytes / server.maxMemoryBytes],
    ],
  },
  {
    name: names.memoryUsed,
    unit: 'By',
    description: 'Memory that Redis uses',
    read: ({ server }) => [[server.usedMemoryBytes]],
  },
  {
    name: names.opsPerSecond,
    description: 'Commands per second',
    read: ({ server }) => [[server.opsPerSecond]],
  },
  {
    name: names.replicationLag,
    description: 'Seconds since a replica was heard of',
    read: ({ server }) => [...server.replicaLagSeconds].map(([replica, lag]) => [lag, { replica }]),
  },
  {
    name: names.outboxPending,
    description: 'Events committed and not yet in a stream, counted up to 100000',
    read: (all) => [[all.outbox.pending.count, ofSource(all)]],
  },
  {
    name: names.outboxOldestAge,
    unit: 's',
    description: 'Age of the oldest event that is not in a stream yet; 0 if there is none',
    read: (all) => [[ageSeconds(all.outbox.oldestPendingAt, all.at), ofSource(all)]],
  },
  {
    name: names.outboxParked,
    description: 'Events that could not be written, and those that wait behind them',
    read: (all) => [[all.outbox.parked.count, ofSource(all)]],
  },
  {
    name: names.outboxGaps,
    description: 'Positions that were passed and may still be filled',
    read: (all) => [[all.outbox.gaps.positions, ofSource(all)]],
  },
  {
    name: names.outboxOldestGapAge,
    unit: 's',
    description: 'Age of the oldest open gap; 0 if there is none',
    read: (all) => [[ageSeconds(all.outbox.gaps.oldestAt, all.at), ofSource(all)]],
  },
  {
    name: names.outboxLed,
    description: '1 while a publisher leads the outbox',
    read: (all) => [[all.outbox.isLed ? 1 : 0, ofSource(all)]],
  },
  {
    name: names.deadLetters,
    description: 'Dead letters of a group that wait for somebody',
    read: ({ letters }) => letters.map(({ group, dead }) => [dead, ofGroup(group)]),
  },
  {
    name: names.redriving,
    description: 'Dead letters of a group that are to be handled again',
    read: ({ letters }) => letters.map(({ group, redriving }) => [redriving, ofGroup(group)]),
  },
  {
    name: names.circuitOpen,
    description: 'Runners of a group whose circuit is not closed',
    read: ({ health }) => health.map(({ group, circuitsOpen }) => [circuitsOpen, ofGroup(group)]),
  },
  {
    name: names.runnersAlive,
    description: 'Runners of a group that were heard of lately',
    read: ({ health }) => health.map(({ group, runners }) => [runners, ofGroup(group)]),
  },
  {
    name: names.groupPaused,
    description: '1 while an operator has paused the group',
    read: ({ health }) => health.map(({ group, isPaused }) => [isPaused ? 1 : 0, ofGroup(group)]),
  },
];

function ageSeconds(instant: Date | null, now: number): number {
  return instant === null ? 0 : Math.max(0, now - instant.getTime()) / 1_000;
}
