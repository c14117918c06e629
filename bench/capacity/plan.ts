import { assumptions } from './assumptions.ts';
import type { Load } from './loads.ts';
import type { Measured } from './measured.ts';
import { prices } from './prices.ts';

/** What a load needs. */
export interface Plan {
  readonly load: Load;
  /** Processes of each kind. */
  readonly workers: {
    readonly publishers: number;
    /** Of the group with a transaction per event, and of each other group. */
    readonly runnersByEvent: number;
    readonly runnersByBatch: number;
    readonly others: number;
  };
  readonly workerCores: number;
  readonly postgres: {
    readonly cores: number;
    readonly iops: number;
    readonly outboxGib: number;
    readonly inboxGib: number;
    readonly instance: string | undefined;
  };
  readonly redis: {
    readonly cores: number;
    readonly gib: number;
    readonly gibUsualNodes: number;
    /** With the default `retention.hot`. */
    readonly gibOfSevenDays: number;
    /** What comes on top in an hour in which a group stands still. */
    readonly gibPerIdleHour: number;
    /** Of which each has a Redis of its own. */
    readonly buses: number;
    readonly node: string | undefined;
  };
  readonly s3: { readonly gb: number; readonly requestsPerMonth: number };
  /** Per month. `undefined` of what one machine of the price list cannot do. */
  readonly dollars: {
    readonly workers: number;
    readonly postgres: number | undefined;
    readonly redis: number | undefined;
    readonly s3: number;
    readonly all: number | undefined;
  };
}

const { busy, groups, topics } = assumptions;
const GiB = 1_024 ** 3;
const daysPerMonth = 30;
/** A leader that stands by, and one of each: dlq-mover, retention-archiver, replayer, bus-monitor. */
const standbys = 1;
const others = 4;

/** What so much CPU time per second needs, in cores that are as busy as they may be. */
const cores = (microsecondsPerSecond: number) => microsecondsPerSecond / 1e6 / busy;

/** Computes what a load needs of machines as fast as those on which the figures were measured. */
export function planFor(load: Load, measured: Measured): Plan {
  const { peak } = load;
  const { publish, append, handleByEvent, handleByBatch } = measured;
  const workers = {
    publishers: Math.ceil(cores(peak * publish.program)) + standbys,
    runnersByEvent: Math.ceil(cores(peak * handleByEvent.program)),
    runnersByBatch: Math.ceil(cores(peak * handleByBatch.program)),
    others,
  };
  const byBatch = groups - 1;
  const processes = workers.publishers + workers.runnersByEvent + byBatch * workers.runnersByBatch + others;
  const workerCores = Math.max(
    processes * assumptions.idleWorker.cores,
    cores(peak * (publish.program + handleByEvent.program + byBatch * handleByBatch.program)),
  );
  const postgres = planPostgres(load, {
    cores: cores(
      peak * (append.postgres + publish.postgres + handleByEvent.postgres + byBatch * handleByBatch.postgres),
    ),
  });
  const redis = planRedis(
    load,
    cores(peak * (publish.redis + handleByEvent.redis + byBatch * handleByBatch.redis)),
  );
  const s3 = planArchive(load);
  const workerDollars =
    prices.hoursPerMonth *
    (workerCores * prices.vCpuHour + processes * assumptions.idleWorker.gib * prices.gibHour);
  const s3Dollars = s3.gb * prices.s3GbMonth + (s3.requestsPerMonth / 1_000) * prices.s3PutThousand;
  const parts = [workerDollars, postgres.dollars, redis.dollars, s3Dollars];
  return {
    load,
    workers,
    workerCores,
    postgres,
    redis,
    s3,
    dollars: {
      workers: workerDollars,
      postgres: postgres.dollars,
      redis: redis.dollars,
      s3: s3Dollars,
      all: parts.reduce<number | undefined>(
        (sum, part) => (sum === undefined || part === undefined ? undefined : sum + part),
        0,
      ),
    },
  };
}

function planPostgres({ peak, perDay, keep }: Load, { cores: needed }: { readonly cores: number }) {
  const perHour = perDay / 24;
  const outboxGib = (perHour * keep.outbox * assumptions.outboxBytes) / GiB;
  const inboxGib = (perHour * keep.inbox * groups * assumptions.inboxBytes) / GiB;
  // The producer's transaction, one of the first group, and a share of one of each other group.
  const commits = peak * (2 + (groups - 1) / assumptions.eventsPerBatch);
  const written =
    peak *
    (assumptions.outboxBytes +
      assumptions.outboxWalBytes +
      groups * (assumptions.inboxBytes + assumptions.inboxWalBytes));
  // Pages of 8 KiB, and a flush for each commit until commits share them.
  const iops = Math.min(commits, assumptions.flushesPerSecond) + written / 8_192;
  // What little a burstable instance may use for long is enough for loads that need a tenth of it.
  const instance = prices.postgres.find(({ vCpus, burstable }) => needed <= vCpus * (burstable ? 0.2 : 1));
  // Half as much again, for the applications' tables' growth, bloat and WAL; 20 GiB is the least there is.
  const gib = Math.max(20, 1.5 * (outboxGib + inboxGib));
  const { included, includedFrom400Gib, month } = prices.postgresIops;
  const extraIops = Math.max(0, iops - (gib >= 400 ? includedFrom400Gib : included));
  const copies = 2;
  return {
    cores: needed,
    iops,
    outboxGib,
    inboxGib,
    instance: instance?.name,
    dollars:
      instance &&
      copies * (instance.hour * prices.hoursPerMonth + gib * prices.postgresGibMonth + extraIops * month),
  };
}

function planRedis({ peak, perDay, keep }: Load, needed: number) {
  const entries = (perDay / 24) * keep.hot;
  const gib = (entries * assumptions.redisBytes.largeNodes) / GiB;
  // Commands run on one core, however many the machine has.
  const node =
    needed <= 1 ? prices.redis.find((candidate) => gib <= candidate.gib * assumptions.redisFull) : undefined;
  const copies = 2;
  return {
    cores: needed,
    gib,
    gibUsualNodes: (entries * assumptions.redisBytes.usual) / GiB,
    gibOfSevenDays: (7 * perDay * assumptions.redisBytes.largeNodes) / GiB,
    gibPerIdleHour: (peak * 3_600 * assumptions.redisBytes.largeNodes) / GiB,
    buses: Math.max(1, Math.ceil(needed)),
    node: node?.name,
    dollars: node && copies * node.hour * prices.hoursPerMonth,
  };
}

function planArchive({ perDay }: Load) {
  const objectsPerDay = Math.max(topics * 24, (perDay * 750) / assumptions.objectBytes);
  const sweepsPerDay = topics * 24 * 60;
  return {
    gb: (perDay * assumptions.coldDays * assumptions.archivedBytes) / 1e9,
    requestsPerMonth: daysPerMonth * (objectsPerDay + sweepsPerDay * assumptions.requestsPerSweep),
  };
}

/** The most events per second that one process or server carries at what it may be busy, by what limits it. */
export function limitsOf(measured: Measured) {
  const { publish, handleByEvent, handleByBatch, handleInOrder, handleInOrderByBatch } = measured;
  const most = (microseconds: number) => (busy * 1e6) / microseconds;
  return {
    'a publisher, hence an outbox': most(publish.program),
    'a runner with a transaction per event': most(handleByEvent.program),
    'a stream of an ordered group with a transaction per event': most(handleInOrder.program),
    "a runner with `transaction: 'batch'`": most(handleByBatch.program),
    "a stream of an ordered group with `transaction: 'batch'`": most(handleInOrderByBatch.program),
    [`Redis, with ${groups} groups`]: most(
      publish.redis + handleByEvent.redis + (groups - 1) * handleByBatch.redis,
    ),
  };
}
