import { setTimeout as delay } from 'node:timers/promises';
import { type BusDatabase, recordAction, recordActionCount } from '@event-bus/database';
import { isLed, newestBatches, readSource, requestSweep } from '@event-bus/outbox/log';
import {
  type ReconcileOnceReport,
  reconcileOnce,
  type StreamSurvey,
  surveyStream,
} from '@event-bus/publisher';
import type { EventTransport } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { OperatorRequest } from './operator-request.ts';
import type { OutboxPool } from './outbox-pool.ts';

export type { StreamSurvey } from '@event-bus/publisher';

const pollMs = 200;
const waitForLeadMs = 2_000;

/** What a reconcile works with. */
export interface ReconcileOptions extends OperatorRequest {
  readonly pool: OutboxPool;
  /** The same database. */
  readonly db: Kysely<BusDatabase>;
  /** URL of the outbox's database without a transaction pooler. */
  readonly directUrl: string;
  readonly busDatabase: Kysely<BusDatabase>;
  readonly transport: EventTransport;
  /** Shown in the outbox and in pg_stat_activity; unique per process. */
  readonly name: string;
  /** Gives up when nothing has changed for so long. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** What a reconcile found and did. */
export interface ReconcileReport {
  /** Every stream the outbox ever wrote to, as it was found. */
  readonly before: readonly StreamSurvey[];
  /** The same afterwards; `before` itself if nothing was missing. */
  readonly after: readonly StreamSurvey[];
  /** Who mended: the publisher that leads, this call (nobody led), or nobody (nothing was missing). */
  readonly mendedBy: 'publisher' | 'this call' | 'nobody';
  /** Events whose batches a stream lost and that are no longer in the log; known only if this call mended. */
  readonly unrecoverableBatches: number;
  /** Streams that ended with an event that left the log: Redis was older than `OUTBOX_KEEP`. Same. */
  readonly olderThanLog: readonly string[];
  /** Streams that know an event of this outbox which its log does not: PostgreSQL went back in time. Same. */
  readonly unknownMarks: readonly string[];
}

/**
 * Looks, without writing, whether the streams still hold all that the outbox has recorded.
 * @param except streams that are not to be looked at.
 */
export async function surveyStreams(
  { pool, busDatabase, transport }: Pick<ReconcileOptions, 'pool' | 'busDatabase' | 'transport'>,
  except: ReadonlySet<string> = new Set(),
): Promise<StreamSurvey[]> {
  const source = await readSource(pool);
  // Never published: nothing is recorded.
  if (source === null) return [];
  const writer = transport.writer();
  try {
    const surveys: StreamSurvey[] = [];
    for (const newest of await newestBatches(pool)) {
      if (except.has(newest.stream)) continue;
      surveys.push(await surveyStream({ pool, busDatabase, writer, source }, newest));
    }
    return surveys;
  } finally {
    await writer.close();
  }
}

/**
 * Brings every stream back to what the outbox has recorded. A publisher that leads is asked to do it; if none does,
 * this call takes the lead and lets go of it afterwards. Resolves when all is there, or when nothing has changed for
 * `patienceMs`: `after` tells.
 * @throws OutboxInconsistentError the outbox must not be published as it is.
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const before = await surveyStreams(options);
  const source = await readSource(options.pool);
  if (source === null || before.every(({ intact }) => intact)) {
    return { before, after: before, mendedBy: 'nobody', ...findings([]) };
  }
  await recordReconcile(options, before);
  const own: ReconcileOnceReport[] = [];
  let after: readonly StreamSurvey[] = before;
  for (let changedAt = performance.now(); performance.now() - changedAt < options.patienceMs; ) {
    options.signal.throwIfAborted();
    if (await isLed(options.pool)) await requestSweep(options.pool);
    else {
      const report = await reconcileOnce({ ...options, source, waitForLeadMs });
      if (report !== undefined) own.push(report);
    }
    const found = await surveyStreams(options);
    if (lostEvents(found) !== lostEvents(after)) changedAt = performance.now();
    after = found;
    if (after.every(({ intact }) => intact)) break;
    await delay(pollMs, undefined, { signal: options.signal });
  }
  return {
    before,
    after,
    mendedBy: own.length === 0 ? 'publisher' : 'this call',
    ...findings(own),
  };
}

/** Of every round: what one has told, the next does not find again. */
function findings(
  reports: readonly ReconcileOnceReport[],
): Pick<ReconcileReport, 'unrecoverableBatches' | 'olderThanLog' | 'unknownMarks'> {
  const distinct = (streams: readonly string[]) => [...new Set(streams)];
  return {
    unrecoverableBatches: reports.flatMap(({ unrecoverable }) => unrecoverable).length,
    olderThanLog: distinct(reports.flatMap(({ olderThanLog }) => olderThanLog)),
    unknownMarks: distinct(reports.flatMap(({ unknownMarks }) => unknownMarks)),
  };
}

async function recordReconcile(
  { db, operator, reason }: ReconcileOptions,
  found: readonly StreamSurvey[],
): Promise<void> {
  const lost = found.filter(({ intact }) => !intact);
  const details = { streams: lost.map(({ stream, lostBatches }) => ({ stream, lostBatches })) };
  const actionId = await db
    .transaction()
    .execute((trx) => recordAction(trx, { operator, action: 'reconcile', group: null, reason, details }));
  await recordActionCount(db, actionId, lostEvents(lost));
}

function lostEvents(surveys: readonly StreamSurvey[]): number {
  return surveys.reduce((sum, { lostEvents: lost }) => sum + lost, 0);
}
