import type { HistoryFaults } from './history.ts';
import type { Rates } from './rates.ts';
import type { Sample } from './sampler.ts';
import type { Windows } from './windows.ts';

/** Something that has to be true at the end. */
export interface Check {
  readonly name: string;
  /** `undefined`: not judged. */
  readonly met: boolean | undefined;
  readonly found: string;
}

const MiB = 1_024 ** 2;
const whole = (value: number) => Math.round(value).toLocaleString('en');

/** Whether as much was produced as was asked for, and far more imported than one of the groups could handle. */
export function checkRates(held: Rates, rate: number, overload: Rates): Check[] {
  const { slowest } = overload;
  return [
    {
      name: 'rate held',
      met: held.produced >= 0.98 * rate,
      found: `${whole(held.produced)} of ${whole(rate)} events/s`,
    },
    {
      name: 'overloaded',
      met: slowest.came > 0 && slowest.came >= 2 * slowest.handled,
      found: `${whole(overload.produced)} events/s imported; ${whole(slowest.came)} came to ${slowest.group}, which handled ${whole(slowest.handled)}`,
    },
  ];
}

/** From how many minutes on memory is judged: a process that has just started still takes up what it will need. */
export const judgedFromMinutes = 5;

/** By how much the memory of a process may grow: by a tenth, and by that much even if a tenth is less. */
const mayGrowBytes = 32 * MiB;

/**
 * Whether the memory of every process is flat: the most that it had in the last two fifths of the time exceeds the most in the
 * two before by no more than a tenth, or 32 MiB. The first fifth does not count. It goes by peaks, since a heap is collected
 * once in some minutes, and grows until then. PostgreSQL's is counted as if it had as many processes all the time as at most: pools
 * open connections as they need them, up to a limit.
 */
export function checkMemory(samples: readonly Sample[], minutes: number): Check[] {
  const fifth = Math.floor(samples.length / 5);
  const [early, late] = [samples.slice(fifth, 3 * fifth), samples.slice(3 * fifth)];
  const mostProcesses = Math.max(0, ...samples.map(({ postgresProcesses }) => postgresProcesses));
  return Object.keys(samples.at(-1)?.memory ?? {}).map((process) => {
    const bytesAt = ({ memory, postgresProcesses }: Sample) =>
      (memory[process] ?? 0) * (process === 'PostgreSQL' ? mostProcesses / postgresProcesses : 1);
    const peak = (part: readonly Sample[]) => Math.max(0, ...part.map(bytesAt));
    const [before, after] = [peak(early), peak(late)];
    return {
      name: `memory of ${process}`,
      met: minutes < judgedFromMinutes ? undefined : after - before <= Math.max(before / 10, mayGrowBytes),
      found: `at most ${(before / MiB).toFixed(0)} MiB, then ${(after / MiB).toFixed(0)} MiB`,
    };
  });
}

/** Whether streams and outbox held no more than what was committed within their windows. */
export function checkWindows(samples: readonly Sample[], windows: Windows): Check[] {
  return [
    bounded('entries in the streams', samples, windows.streams, ({ entries }) => entries),
    bounded('rows in the outbox', samples, windows.outbox, ({ rows }) => rows),
  ];
}

function bounded(
  name: string,
  samples: readonly Sample[],
  seconds: number,
  held: (sample: Sample) => number,
): Check {
  const over = samples.filter((sample, index) => {
    const before = samples.findLast(({ at }) => at <= sample.at - seconds)?.committed ?? 0;
    // Producers tell a moment later what they have committed.
    const committed = samples[index + 1]?.committed ?? Number.POSITIVE_INFINITY;
    return held(sample) > committed - before;
  });
  const peak = Math.max(0, ...samples.map(held)).toLocaleString('en');
  const excess = over.length === 0 ? '' : `, too many at ${over.length} of ${samples.length} looks`;
  return {
    name,
    met: over.length === 0,
    found: `at most ${peak}; allowed: what was committed in the last ${seconds} s${excess}`,
  };
}

/** Whether archive and streams together hold every event, once and to the byte, and nothing else. */
export function checkHistory(faults: HistoryFaults, committed: number): Check {
  const found = Object.entries(faults).map(([fault, count]) => `${whole(count)} ${fault}`);
  return {
    name: 'all in archive and streams',
    met: Object.values(faults).every((count) => count === 0),
    found: `of ${whole(committed)} events ${found.join(', ')}`,
  };
}

/** Whether archiving, trimming and pruning happened at all. */
export function checkRetention(first: Sample, last: Sample, archivedObjects: number): Check[] {
  const trimmed = last.committed - last.entries;
  const dropped = first.partitions - last.partitions;
  return [
    { name: 'archived', met: archivedObjects > 0, found: `${archivedObjects} objects` },
    { name: 'trimmed', met: trimmed > 0, found: `${trimmed.toLocaleString('en')} entries` },
    { name: 'outbox pruned', met: dropped > 0, found: `${dropped} partitions` },
    {
      name: 'inbox pruned',
      met: last.pastInboxDays < first.pastInboxDays,
      found: `${first.pastInboxDays - last.pastInboxDays} of ${first.pastInboxDays} partitions of the past`,
    },
  ];
}

/** The middle of some numbers; 0 of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
