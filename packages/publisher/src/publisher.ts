import {
  type BusDatabase,
  registerOutboxWindow,
  registerTopics,
  TopicPartitionsError,
  WindowsBrokenError,
} from '@event-bus/database';
import {
  assertSource,
  DeposedError,
  loadParkedAggregates,
  OutboxInconsistentError,
  takeLead,
} from '@event-bus/outbox/log';
import type { Logger } from '@event-bus/telemetry';
import type { EventTransport } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';
import { backoff } from './backoff.ts';
import { LeadLostError } from './errors.ts';
import { isHeld, type LeadSession, withLead } from './lead.ts';
import type { Leader } from './leader.ts';
import { LogReader } from './log-reader.ts';
import { createPublisherObserver, type PublisherObserver } from './observer.ts';
import { Parking } from './parking.ts';
import { publish } from './publish.ts';
import type { PublisherSettings } from './settings.ts';
import { StreamBook } from './stream-book.ts';
import { Wakeup } from './wakeup.ts';

/** What a publisher works with. */
export interface PublisherOptions {
  /** Connections to the outbox's database; a pooler may stand between. */
  readonly pool: Pool;
  /** URL of the outbox's database without a transaction pooler: it holds the lead. */
  readonly directUrl: string;
  /** The database of the whole bus, which knows the topics. */
  readonly busDatabase: Kysely<BusDatabase>;
  readonly transport: EventTransport;
  readonly settings: PublisherSettings;
  readonly logger: Logger;
  /** Shown in the outbox and in pg_stat_activity; unique per process. */
  readonly name: string;
  /** Topics this process knows the partitions of. */
  readonly topics?: readonly { readonly name: string; readonly partitions: number }[];
}

/** A publisher of one outbox: leads, or stands by for the one that does. */
export interface Publisher {
  readonly name: string;
  /**
   * Publishes until `drain` aborts, then finishes what is under way; `abort` ends it at once.
   * @throws OutboxInconsistentError the outbox must not be published as it is.
   * @throws TopicPartitionsError a topic is registered with another number of partitions.
   * @throws WindowsBrokenError an inbox forgets before this outbox does.
   */
  run(signals: { readonly drain: AbortSignal; readonly abort: AbortSignal }): Promise<void>;
}

/** Creates a publisher. Any number of them may run on one outbox: one leads. */
export function createPublisher(options: PublisherOptions): Publisher {
  const told = createPublisherObserver(options.logger, options.settings.source);
  return {
    name: 'publisher',
    run: async ({ drain, abort }) => {
      let failures = 0;
      const observer: PublisherObserver = {
        ...told,
        // Not when it leads: what fails every leader would be tried without a pause.
        recorded: (batch) => {
          failures = 0;
          told.recorded(batch);
        },
      };
      while (!drain.aborted) {
        try {
          await registerTopics(options.busDatabase, options.topics ?? []);
          const { source, keepMs } = options.settings;
          await assertSource(options.pool, source);
          await registerOutboxWindow(options.busDatabase, { source, keepMs });
          await withLead(leadOptions(options, observer), drain, (session) =>
            lead(options, observer, session, drain, abort),
          );
        } catch (error) {
          if (isFinal(error) || abort.aborted) throw error;
          failures += 1;
          if (error instanceof LeadLostError || error instanceof DeposedError)
            observer.following(error.message, failures);
          else observer.cannotLead(error, failures);
          await backoff(failures, drain).catch(() => undefined);
        }
      }
    },
  };
}

/** No further attempt can mend it. */
function isFinal(error: unknown): boolean {
  return [OutboxInconsistentError, TopicPartitionsError, WindowsBrokenError].some(
    (final) => error instanceof final,
  );
}

function leadOptions({ pool, directUrl, name, settings }: PublisherOptions, observer: PublisherObserver) {
  return {
    url: directUrl,
    outbox: pool,
    applicationName: name,
    sessionTimeoutMs: settings.sessionTimeoutMs,
    onStandby: () => observer.standingBy(),
  };
}

async function lead(
  options: PublisherOptions,
  observer: PublisherObserver,
  session: LeadSession,
  drain: AbortSignal,
  abort: AbortSignal,
): Promise<void> {
  const { pool, settings, logger } = options;
  const { epoch, position, gaps } = await takeLead(pool, settings.source, options.name);
  const writer = options.transport.writer();
  try {
    const leader: Leader = {
      epoch,
      pool,
      writer,
      settings,
      logger,
      observer,
      streams: await StreamBook.load(pool, options.busDatabase),
      parking: new Parking(await loadParkedAggregates(pool)),
      lost: AbortSignal.any([session.lost, abort]),
    };
    const wakeup = await Wakeup.listen(session);
    writer.onReconnect(() => wakeup.ring('sweep'));
    observer.leading(epoch);
    await publish(leader, new LogReader(pool, settings, position, gaps), wakeup, drain);
  } catch (error) {
    if (isFinal(error) || abort.aborted || (await isHeld(session))) throw error;
    throw new LeadLostError(error);
  } finally {
    await writer.close();
  }
}
