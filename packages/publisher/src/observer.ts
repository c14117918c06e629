import type { ParkedEvent, RecordedPositions, RequestedRetry } from '@event-bus/outbox/log';
import { countHistogram, durationHistogram, type Logger, meter } from '@event-bus/telemetry';
import { attributeNames, messagingSystem, metricNames, operationNames } from '@event-bus/telemetry/names';
import type { WriterMark } from '@event-bus/transport';
import type { Batch } from './batch.ts';
import { tracePublished } from './publish-span.ts';

/** What happens in a publisher, as its logs, metrics and spans tell it. */
export interface PublisherObserver {
  leading(epoch: number): void;
  /** Another publisher leads, and this one waits for the lead. */
  standingBy(): void;
  /** The lead was lost. @param failures how often in a row it came to nothing. */
  following(reason: string, failures: number): void;
  /** Something other than another publisher keeps this one from leading. @param failures the same. */
  cannotLead(error: unknown, failures: number): void;
  /** A batch was formed; its gaps and parked events are known. */
  formed(batch: Batch, gaps: number): void;
  /** A batch is in its streams and recorded. */
  recorded(batch: Batch): void;
  parked(event: ParkedEvent): void;
  /** A parked event is no longer in the log. */
  forgotten(event: RequestedRetry): void;
  /** A stream is not as this publisher left it, and refused a part of a batch. */
  refused(stream: string): void;
  /** Redis cannot be written to, or a stream changes while it is recovered. Each kind of error is logged once until `available`. */
  unavailable(error: Error): void;
  available(): void;
  reconciling(stream: string, batches: number): void;
  reconciled(stream: string, events: number): void;
  /** Events that a stream lost are no longer in the log. */
  unrecoverable(batch: RecordedPositions): void;
  /** What a stream holds of this outbox ends with an event that left the log: no backup of that age should be restored. */
  olderThanLog(stream: string, mark: WriterMark): void;
  /** A stream holds an event of this outbox that its log does not know. */
  unknownMark(stream: string, mark: WriterMark): void;
}

/** Why a stream and its outbox do not come together again. */
const lackings = {
  leftLog: 'left-log',
  olderThanLog: 'older-than-log',
  unknownMark: 'unknown-to-log',
} as const;

/** Creates the observer of one publisher. */
export function createPublisherObserver(logger: Logger, source: string): PublisherObserver {
  const instruments = meter();
  const common = { [attributeNames.messagingSystem]: messagingSystem, [attributeNames.source]: source };
  const sent = instruments.createCounter(metricNames.sentMessages, {
    description: 'Events written to a stream',
  });
  const batchSize = countHistogram(metricNames.publisherBatchSize, 'Events of a batch, per stream');
  const delay = durationHistogram(
    metricNames.publishDelay,
    "From an event's insert until it is in its stream; the oldest of each batch and stream",
  );
  const duration = durationHistogram(
    metricNames.operationDuration,
    'One batch, from when it was formed until it is in its streams and recorded',
  );
  const refused = instruments.createCounter(metricNames.refusedBatches, {
    description: 'Batches that compare-and-append refused',
  });
  const reconciledEvents = instruments.createCounter(metricNames.reconciledEvents, {
    description: 'Events written again because a stream had lost them',
  });
  const unrecoverable = instruments.createCounter(metricNames.unrecoverable, {
    description: 'What a stream and its outbox lack of each other, and nobody can write again',
  });
  const lacks = (reason: string, times = 1) =>
    unrecoverable.add(times, { ...common, [attributeNames.reason]: reason });
  // Told before it happens: what begins does not increase.
  for (const reason of Object.values(lackings)) lacks(reason, 0);
  const active = instruments.createGauge(metricNames.publisherActive, {
    description: '1 in the process that publishes an outbox, 0 in its standbys',
  });
  const gapsOpen = instruments.createGauge(metricNames.outboxGaps, {
    description: 'Positions that were passed and may still be filled',
  });
  const publishing = { ...common, [attributeNames.operationName]: operationNames.publish };
  const outage = new Set<string>();
  active.record(0, common);

  return {
    leading: (epoch) => {
      active.record(1, common);
      logger.info({ source, epoch }, 'leading: this publisher carries the outbox');
    },
    standingBy: () => {
      active.record(0, common);
      logger.info({ source }, 'standing by: another publisher leads, and this one waits for the lead');
    },
    following: (reason, failures) => {
      active.record(0, common);
      logger.info({ source, reason, failures }, 'following: another publisher may lead');
    },
    cannotLead: (error, failures) => {
      active.record(0, common);
      logger.warn(
        { source, err: error, failures },
        'cannot lead: something other than another publisher is in the way; trying until it is gone',
      );
    },
    formed: (_batch, gaps) => gapsOpen.record(gaps, common),
    recorded: (batch) => {
      const now = Date.now();
      duration.record(Math.max(0, now - batch.formedAt) / 1_000, publishing);
      for (const part of batch.parts) {
        if (part.rows.length === 0) continue;
        const attributes = { ...common, [attributeNames.destinationName]: part.stream };
        sent.add(part.rows.length, attributes);
        batchSize.record(part.rows.length, attributes);
        const [oldest] = part.rows;
        if (oldest) delay.record(Math.max(0, now - oldest.insertedAtMs) / 1_000, attributes);
      }
      tracePublished(batch, { attributes: publishing, endedAt: now });
    },
    parked: ({ eventId, aggregateType, aggregateId, reason }) =>
      logger.error(
        { source, eventId, aggregateType, aggregateId, reason },
        'parked: this event cannot be written and its aggregate waits; mend the cause, then `bus outbox retry`',
      ),
    forgotten: (event) =>
      logger.error(
        { source, ...event },
        'forgotten: this parked event is no longer in the log and can never be published; its aggregate goes on without it',
      ),
    refused: (stream) => refused.add(1, { ...common, [attributeNames.destinationName]: stream }),
    unavailable: (error) => {
      if (!outage.has(error.name))
        logger.warn({ source, err: error }, 'a batch is not through; trying until it is');
      outage.add(error.name);
    },
    available: () => {
      if (outage.size > 0) logger.info({ source }, 'batches go through again');
      outage.clear();
    },
    reconciling: (stream, batches) =>
      logger.warn({ source, stream, batches }, 'a stream went back in time: writing again what it lost'),
    reconciled: (stream, events) => {
      reconciledEvents.add(events, { ...common, [attributeNames.destinationName]: stream });
    },
    unrecoverable: ({ stream, number, positions }) => {
      lacks(lackings.leftLog);
      logger.error(
        { source, stream, number, positions },
        'a stream lost events that the outbox no longer has, and some group may not have settled: they are in the archive, if there is one',
      );
    },
    olderThanLog: (stream, mark) => {
      lacks(lackings.olderThanLog);
      logger.error(
        { source, stream, mark },
        'the stream ends with an event that left the log long ago: Redis was restored from a backup older than OUTBOX_KEEP. What the log has is written again; what lies between is in the archive, if there is one',
      );
    },
    unknownMark: (stream, mark) => {
      lacks(lackings.unknownMark);
      logger.error(
        { source, stream, mark },
        'the stream holds an event of this outbox that the log does not know: PostgreSQL went back in time',
      );
    },
  };
}
