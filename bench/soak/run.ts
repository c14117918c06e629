import { setTimeout as delay } from 'node:timers/promises';
import { type createDisplay, whole } from '@event-bus/demo/display';
import { type GroupLedger, isClean, readLedger } from '@event-bus/demo/ledger';
import { type GroupName, groups, type Stack } from '@event-bus/demo/stack';
import type { S3Server } from '@event-bus/testkit';
import { type Check, checkMemory, checkRetention, checkWindows } from './checks.ts';
import { type LatencyStretch, readLatency } from './latency.ts';
import type { SoakOptions } from './options.ts';
import { divideOutbox, fillInboxPast } from './partitions.ts';
import type { Produced } from './producer.ts';
import { type Producing, startProducing } from './producing.ts';
import { backlogOf, createSampler, type Sample } from './sampler.ts';
import type { Windows } from './windows.ts';

/** What became of a soak. */
export interface Soaked {
  readonly samples: readonly Sample[];
  /** While the rate was held. */
  readonly latency: readonly LatencyStretch[];
  readonly overload: Overload;
  readonly checks: readonly Check[];
  readonly ledger: readonly GroupLedger[];
}

/** Producers at several times what the groups handle, and how that was caught up with. */
export interface Overload {
  readonly seconds: number;
  /** Events per second. */
  readonly produced: number;
  readonly handled: number;
  /** Events that waited for the slowest group, at most. */
  readonly backlog: number;
  /** From the last commit until every group had handled everything. */
  readonly drainSeconds: number;
}

type Display = ReturnType<typeof createDisplay>;

/** One process of each kind. */
const roles = [
  'publisher',
  'dlq-mover',
  'archiver',
  'replayer',
  'monitor',
  ...(Object.keys(groups) as GroupName[]),
] as const;
const eventsPerTransaction = { sustained: 5, overload: 20 };
const nothingMovesMs = 60_000;

/** Holds the rate, overloads the bus, lets it catch up, and looks at what is left. */
export async function soak(parts: {
  readonly stack: Stack;
  readonly s3: S3Server;
  readonly bucket: string;
  readonly display: Display;
  readonly options: SoakOptions;
  readonly windows: Windows;
}): Promise<Soaked> {
  const { stack, s3, bucket, display, options, windows } = parts;
  const seconds = options.minutes * 60;
  const overloadSeconds = Math.max(10, Math.round(seconds / 10));
  await fillInboxPast(stack.url, 'user-directory', stack.source);
  await divideOutbox(stack.url, windows.partition, seconds + 4 * overloadSeconds);
  let earlier = 0;
  let producing: Producing | undefined;
  const samples: Sample[] = [];
  const sampler = createSampler(stack, () => earlier + (producing?.produced().events ?? 0));
  const first = await sampler.sample();
  await Promise.all(roles.map((role) => stack.startWorker(role)));
  const ended = new AbortController();
  const sampling = sampler.run(ended.signal, (sample) => {
    display.status(statusLine(sample, samples.at(-1), producing?.produced()));
    samples.push(sample);
  });
  sampling.catch(() => 'whoever waits meanwhile learns of it');
  const watched = <Result>(work: Promise<Result>) => Promise.race([work, sampling.then(() => work)]);

  async function produce(rate: number, perTransaction: number, forSeconds: number): Promise<Sample[]> {
    const from = samples.length;
    producing = await startProducing(stack.url, rate, perTransaction);
    await watched(Promise.race([delay(forSeconds * 1_000), producing.broken]));
    const phase = samples.slice(from);
    earlier += (await producing.stop()).events;
    producing = undefined;
    return phase;
  }

  /** Waits until nothing is left to do, or nothing moves. Returns how long that took, in seconds. */
  async function untilSettled(): Promise<number> {
    const startedAt = performance.now();
    let lowest = Number.POSITIVE_INFINITY;
    let movedAt = startedAt;
    while (performance.now() - movedAt < nothingMovesMs) {
      const backlog = backlogOf(await sampler.sample());
      if (backlog === 0) break;
      if (backlog < lowest) [lowest, movedAt] = [backlog, performance.now()];
      await watched(delay(200));
    }
    return (performance.now() - startedAt) / 1_000;
  }

  try {
    display.say(`Producing ${whole(options.rate)} events/s for ${options.minutes} min.`);
    const sustained = await produce(options.rate, eventsPerTransaction.sustained, seconds);
    await untilSettled();
    display.say(`Producing ${options.overload} times as many for ${overloadSeconds} s.`);
    const rush = await produce(
      options.rate * options.overload,
      eventsPerTransaction.overload,
      overloadSeconds,
    );
    display.say('Waiting until every group has handled everything.');
    const drainSeconds = await untilSettled();
    const last = await sampler.sample();
    ended.abort();
    await sampling;

    display.say('Reading the ledger and the latency.');
    const ledger = await readLedger(stack);
    const overload = { ...ratesOf(rush), seconds: overloadSeconds, drainSeconds };
    const latency = await readLatency(stack.url, Math.max(1, Math.round(seconds / 60)));
    const { produced: held } = ratesOf(sustained);
    return {
      samples,
      latency: latency.filter(({ at }) => at < seconds),
      overload,
      ledger,
      checks: [
        {
          name: 'rate held',
          met: held >= 0.98 * options.rate,
          found: `${whole(held)} of ${whole(options.rate)} events/s`,
        },
        {
          name: 'overloaded',
          met: overload.produced >= 2 * overload.handled,
          found: `${whole(overload.produced)} events/s produced, ${whole(overload.handled)} handled meanwhile`,
        },
        {
          name: 'drained',
          met: backlogOf(last) === 0,
          found: `${whole(overload.backlog)} events at most, gone ${drainSeconds.toFixed(0)} s after the last`,
        },
        {
          name: 'nothing lost, nothing twice, order kept',
          met: isClean(ledger),
          found: `${whole(last.committed)} events committed`,
        },
        ...checkWindows(sustained, windows),
        ...checkRetention(first, last, s3.keys(bucket).length),
        ...checkMemory(sustained, options.minutes),
      ],
    };
  } finally {
    ended.abort();
    await producing?.stop();
    await sampler.close();
  }
}

/** The first fifth does not count: it is for producers that have just started. */
function ratesOf(phase: readonly Sample[]): Pick<Overload, 'produced' | 'handled' | 'backlog'> {
  const [first, last] = [phase[Math.floor(phase.length / 5)], phase.at(-1)];
  if (first === undefined || last === undefined) return { produced: 0, handled: 0, backlog: 0 };
  const seconds = last.at - first.at;
  const produced = last.committed - first.committed;
  return {
    produced: produced / seconds,
    handled: (produced - (backlogOf(last) - backlogOf(first))) / seconds,
    backlog: backlogOf(last),
  };
}

function statusLine(sample: Sample, before: Sample | undefined, produced: Produced | undefined): string {
  const rate = before && (sample.committed - before.committed) / (sample.at - before.at);
  const late = produced === undefined || produced.lateMs < 100 ? [] : [`${whole(produced.lateMs)} ms late`];
  return [
    `committed ${whole(sample.committed)}`,
    `${whole(rate ?? 0)} events/s`,
    ...late,
    `unpublished ${whole(sample.unpublished)}`,
    `waiting ${Object.values(sample.waiting).map(whole).join('/')}`,
    `streams ${whole(sample.entries)}`,
    `outbox ${whole(sample.rows)} in ${sample.partitions} partitions`,
    `dead ${whole(sample.deadLetters)}`,
  ].join('  ');
}
