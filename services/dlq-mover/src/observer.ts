import type { Letter } from '@event-bus/inbox';
import {
  durationHistogram,
  keptContextFromHeaders,
  type Logger,
  meter,
  SpanKind,
  SpanStatusCode,
  spanContextFromHeaders,
  tracer,
} from '@event-bus/telemetry';
import {
  attributeNames as attribute,
  messagingSystem,
  metricNames,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import { type GroupRef, placeKey } from '@event-bus/transport';

/** Told of what a mover does. */
export interface MoverObserver {
  /** An event is dead, and its letter written. */
  deadLettered(ref: GroupRef, letter: Letter, letterId: string | null): void;
  /** Pending entries stood in their stream no longer. */
  vanished(ref: GroupRef, ids: readonly string[]): void;
  restored(ref: GroupRef, count: number): void;
  injected(ref: GroupRef, count: number): void;
  released(group: string, count: number): void;
  consumerRemoved(ref: GroupRef, consumer: string): void;
  swept(durationMs: number): void;
}

/** Creates the observer of one mover. */
export function createMoverObserver(logger: Logger): MoverObserver {
  const instruments = meter();
  const moved = instruments.createCounter(metricNames.deadLettered, {
    description: 'Events that were given up',
  });
  const vanished = instruments.createCounter(metricNames.vanishedEntries, {
    description: 'Pending entries that stood in their stream no longer',
  });
  const restored = instruments.createCounter(metricNames.restoredDeadLetters, {
    description: 'Dead letters that Redis had lost',
  });
  const sweepDuration = durationHistogram(metricNames.dlqSweepDuration, 'One look through all pending lists');
  const common = { [attribute.messagingSystem]: messagingSystem };
  const of = (ref: GroupRef) => ({ ...common, [attribute.consumerGroupName]: ref.group });

  return {
    deadLettered(ref, letter, letterId) {
      const { eventId, kind, reason, fingerprint, attempts, deliveries, fields } = letter;
      const headers = { traceparent: fields.traceparent ?? '', tracestate: fields.tracestate ?? '' };
      const trace = spanContextFromHeaders(headers);
      moved.add(1, { ...of(ref), [attribute.outcome]: kind });
      const span = tracer().startSpan(
        spanName('deadLetter', ref.stream),
        {
          kind: SpanKind.CONSUMER,
          attributes: {
            ...of(ref),
            [attribute.destinationName]: ref.stream,
            [attribute.operationType]: operationTypes.settle,
            [attribute.operationName]: operationNames.deadLetter,
            [attribute.messageId]: eventId,
            [attribute.eventType]: fields.event_type ?? '',
            [attribute.tenantId]: fields.tenant_id ?? '',
            [attribute.attempt]: attempts,
            [attribute.outcome]: kind,
            [attribute.errorType]: letter.error.split(':')[0] ?? '',
          },
        },
        keptContextFromHeaders(headers),
      );
      span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
      span.end();
      logger.error(
        {
          group: ref.group,
          stream: placeKey(ref),
          event_id: eventId,
          event_type: fields.event_type,
          ...(trace && { trace_id: trace.traceId }),
          kind,
          reason,
          fingerprint,
          attempts,
          deliveries,
          dead_letter: letterId,
        },
        'dead letter: `bus dlq show` has all of it',
      );
    },
    vanished(ref, ids) {
      vanished.add(ids.length, of(ref));
      logger.warn(
        { group: ref.group, stream: placeKey(ref), entries: ids },
        'pending entries stand in their stream no longer, and were acknowledged',
      );
    },
    restored(ref, count) {
      restored.add(count, of(ref));
      logger.warn(
        { group: ref.group, stream: ref.stream, count },
        'Redis lacked dead letters: they stand again',
      );
    },
    injected(ref, count) {
      logger.info({ group: ref.group, stream: ref.stream, count }, 'events to be handled again are injected');
    },
    released(group, count) {
      logger.info({ group, count }, 'events that waited behind a dead letter are to be handled again');
    },
    consumerRemoved(ref, consumer) {
      logger.info(
        { group: ref.group, stream: placeKey(ref), consumer },
        'the name of a dead consumer was removed',
      );
    },
    swept: (durationMs) => sweepDuration.record(durationMs / 1_000, common),
  };
}
