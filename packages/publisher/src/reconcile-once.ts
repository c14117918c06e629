import type { BusDatabase } from '@event-bus/database';
import { loadParkedAggregates, type RecordedPositions, takeLead } from '@event-bus/outbox/log';
import { createLogger } from '@event-bus/telemetry';
import type { EventTransport } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';
import { ReconcileInterruptedError } from './errors.ts';
import { type LeadSession, withLead } from './lead.ts';
import type { PublisherObserver } from './observer.ts';
import { Parking } from './parking.ts';
import { defaultSettings } from './settings.ts';
import { StreamBook } from './stream-book.ts';
import { sweep } from './sweep.ts';

/** What a single reconcile works with. */
export interface ReconcileOnceOptions {
  readonly pool: Pool;
  /** URL of the outbox's database without a transaction pooler: it holds the lead. */
  readonly directUrl: string;
  /** The database of the whole bus, which knows the topics. */
  readonly busDatabase: Kysely<BusDatabase>;
  readonly transport: EventTransport;
  /** The name under which the outbox is published. */
  readonly source: string;
  /** Shown in the outbox and in pg_stat_activity; unique per process. */
  readonly name: string;
  /** How long to wait for the lead. */
  readonly waitForLeadMs: number;
  /** Gives up when it aborts; what was written by then stays, and the next reconcile goes on from there. */
  readonly signal: AbortSignal;
}

/** What a single reconcile did. */
export interface ReconcileOnceReport {
  readonly epoch: number;
  /** Events written again, by stream. */
  readonly rewritten: ReadonlyMap<string, number>;
  /** Batches that a stream lost and whose events are no longer in the log. */
  readonly unrecoverable: readonly RecordedPositions[];
  /** Streams that end with an event that left the log: Redis is older than `OUTBOX_KEEP`, and what lies between is not there. */
  readonly olderThanLog: readonly string[];
  /** Streams that hold an event of this outbox which its log does not know: PostgreSQL went back in time. */
  readonly unknownMarks: readonly string[];
}

/**
 * Does by hand what a leading publisher does in its sweep: holds the lead, begins an epoch, checks every stream the
 * outbox ever wrote to, writes again what is missing, and lets go. It publishes nothing new. `undefined` if somebody
 * else holds the lead; nothing was done then.
 * @throws OutboxInconsistentError the outbox must not be published as it is, or has another name.
 * @throws ConfigError `directUrl` leads to another database.
 * @throws ReconcileInterruptedError the signal aborted before all was written.
 */
export async function reconcileOnce(options: ReconcileOnceOptions): Promise<ReconcileOnceReport | undefined> {
  const { pool: outbox, directUrl: url, name: applicationName, signal, waitForLeadMs } = options;
  const { sessionTimeoutMs } = defaultSettings;
  const waiting = AbortSignal.any([signal, AbortSignal.timeout(waitForLeadMs)]);
  let report: ReconcileOnceReport | undefined;
  await withLead({ url, outbox, applicationName, sessionTimeoutMs }, waiting, async (session) => {
    report = await sweepOnce(options, session);
  });
  return report;
}

async function sweepOnce(
  { pool, busDatabase, transport, source, name, signal }: ReconcileOnceOptions,
  session: LeadSession,
): Promise<ReconcileOnceReport> {
  const { epoch } = await takeLead(pool, source, name);
  const rewritten = new Map<string, number>();
  const unrecoverable: RecordedPositions[] = [];
  const olderThanLog: string[] = [];
  const unknownMarks: string[] = [];
  let obstacle: Error | undefined;
  const observer: PublisherObserver = {
    ...silentObserver,
    reconciled: (stream, events) => rewritten.set(stream, (rewritten.get(stream) ?? 0) + events),
    unrecoverable: (batch) => unrecoverable.push(batch),
    olderThanLog: (stream) => olderThanLog.push(stream),
    unknownMark: (stream) => unknownMarks.push(stream),
    unavailable: (error) => {
      obstacle = error;
    },
  };
  const writer = transport.writer();
  try {
    await sweep({
      epoch,
      pool,
      writer,
      settings: { ...defaultSettings, source },
      logger: createLogger({ service: name, level: 'silent' }),
      observer,
      streams: await StreamBook.load(pool, busDatabase),
      parking: new Parking(await loadParkedAggregates(pool)),
      lost: AbortSignal.any([session.lost, signal]),
    });
    return { epoch, rewritten, unrecoverable, olderThanLog, unknownMarks };
  } catch (error) {
    throw signal.aborted ? new ReconcileInterruptedError(obstacle) : error;
  } finally {
    await writer.close();
  }
}

const ignore = () => undefined;

const silentObserver: PublisherObserver = {
  leading: ignore,
  standingBy: ignore,
  following: ignore,
  cannotLead: ignore,
  formed: ignore,
  recorded: ignore,
  parked: ignore,
  forgotten: ignore,
  unavailable: ignore,
  available: ignore,
  reconciling: ignore,
  reconciled: ignore,
  unrecoverable: ignore,
  olderThanLog: ignore,
  refused: ignore,
  unknownMark: ignore,
};
