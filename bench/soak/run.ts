import { setTimeout as delay } from 'node:timers/promises';
import { type createDisplay, whole } from '@event-bus/demo/display';
import { type GroupLedger, isClean, readLedger } from '@event-bus/demo/ledger';
import { type GroupName, groups, type Stack } from '@event-bus/demo/stack';
import type { S3Server } from '@event-bus/testkit';
import { type Check, checkHistory, checkMemory, checkRates, checkRetention, checkWindows } from './checks.ts';
import { compareHistory, noteCommitted } from './history.ts';
import { type LatencyStretch, readLatency } from './latency.ts';
import type { SoakOptions } from './options.ts';
import { divideOutbox, fillInboxPast } from './partitions.ts';
import { type Overload, ratesOf } from './rates.ts';
import { backlogOf, createSampler, type Sample, type Sampler } from './sampler.ts';
import { createTraffic } from './traffic.ts';
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
  const overloadEvents = Math.round((options.overload * options.rate * seconds) / 10);
  await fillInboxPast(stack.url, 'user-directory', stack.source);
  await divideOutbox(stack.url, windows.partition, 1.5 * seconds);
  await noteCommitted(stack.url);
  const traffic = createTraffic(stack.url);
  const samples: Sample[] = [];
  const sampler = createSampler(stack, traffic.committed);
  const first = await sampler.sample();
  await Promise.all(roles.map((role) => stack.startWorker(role)));
  const ended = new AbortController();
  const sampling = sampler.run(ended.signal, (sample) => {
    display.status(statusLine(sample, samples.at(-1), traffic.lateMs()));
    samples.push(sample);
  });
  sampling.catch(() => 'whoever waits meanwhile learns of it');
  const watched = <Result>(work: Promise<Result>) => Promise.race([work, sampling.then(() => work)]);

  /** Produces at the rate for its time, and returns how everything stood meanwhile. */
  async function holdRate(): Promise<Sample[]> {
    const from = samples.length;
    await traffic.start(options.rate);
    await watched(Promise.race([delay(seconds * 1_000), traffic.broken]));
    const phase = samples.slice(from);
    await traffic.stop();
    return phase;
  }

  /** Imports what is too much, and returns how much that was. */
  async function overloadAll(): Promise<Omit<Overload, 'drainSeconds'>> {
    const before = await sampler.sample();
    await watched(traffic.importAll(overloadEvents));
    const after = await sampler.sample();
    return { ...ratesOf([before, after]), seconds: after.at - before.at };
  }

  const settle = () => watched(untilSettled(sampler));

  try {
    display.say(`Producing ${whole(options.rate)} events/s for ${options.minutes} min.`);
    const sustained = await holdRate();
    await settle();
    display.say(`Importing ${whole(overloadEvents)} events at once.`);
    const rush = await overloadAll();
    display.say('Waiting until every group has handled everything.');
    const drainSeconds = await settle();
    const last = await sampler.sample();
    ended.abort();
    await sampling;

    display.say('Reading the ledger, archive and streams, and the latency.');
    const ledger = await readLedger(stack);
    const history = await compareHistory({ url: stack.url, redis: stack.redis.client(), s3, bucket });
    const overload = { ...rush, drainSeconds };
    const latency = await readLatency(stack.url, Math.max(1, Math.round(seconds / 60)));
    return {
      samples,
      latency: latency.filter(({ at }) => at < seconds),
      overload,
      ledger,
      checks: [
        ...checkRates(ratesOf(sustained), options.rate, overload),
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
        checkHistory(history, last.committed),
        ...checkWindows(sustained, windows),
        ...checkRetention(first, last, s3.keys(bucket).length),
        ...checkMemory(sustained, options.minutes),
      ],
    };
  } finally {
    ended.abort();
    await traffic.stop();
    await sampler.close();
  }
}

/** Waits until nothing is left to do, or nothing moves. Returns how long that took, in seconds. */
async function untilSettled(sampler: Sampler): Promise<number> {
  const startedAt = performance.now();
  let lowest = Number.POSITIVE_INFINITY;
  let movedAt = startedAt;
  while (performance.now() - movedAt < nothingMovesMs) {
    const backlog = backlogOf(await sampler.sample());
    if (backlog === 0) break;
    if (backlog < lowest) [lowest, movedAt] = [backlog, performance.now()];
    await delay(200);
  }
  return (performance.now() - startedAt) / 1_000;
}

function statusLine(sample: Sample, before: Sample | undefined, lateMs: number): string {
  const rate = before && (sample.committed - before.committed) / (sample.at - before.at);
  const late = lateMs < 100 ? [] : [`${whole(lateMs)} ms late`];
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
