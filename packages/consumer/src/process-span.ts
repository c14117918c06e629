import type { ReceivedEvent } from '@event-bus/contracts';
import { contextFromHeaders, failSpan, type Span, SpanKind, tracer } from '@event-bus/telemetry';
import {
  attributeNames,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import type { Settlement, Work } from './settlement.ts';

/**
 * Runs something inside the `process` span of an event, a child of the span that appended it. The span is active
 * meanwhile and is still to be ended, with {@link endProcessSpan}.
 */
export function inProcessSpan<Result>(
  group: string,
  event: ReceivedEvent,
  { delivery, attempt }: Work,
  run: (span: Span) => Result,
): Result {
  const parent = contextFromHeaders(event);
  const name = spanName('process', delivery.stream);
  return tracer().startActiveSpan(name, { kind: SpanKind.CONSUMER }, parent, (span) => {
    if (span.isRecording()) {
      span.setAttributes({
        [attributeNames.messagingSystem]: messagingSystem,
        [attributeNames.destinationName]: delivery.stream,
        [attributeNames.operationType]: operationTypes.process,
        [attributeNames.operationName]: operationNames.process,
        [attributeNames.consumerGroupName]: group,
        [attributeNames.messageId]: event.id,
        [attributeNames.eventType]: event.type,
        [attributeNames.eventVersion]: event.version,
        [attributeNames.aggregateType]: event.aggregateType,
        [attributeNames.aggregateId]: event.aggregateId,
        [attributeNames.tenantId]: event.tenantId,
        [attributeNames.source]: event.source,
        [attributeNames.position]: String(event.position),
        [attributeNames.attempt]: attempt,
        [attributeNames.streamEntryId]: delivery.id,
        ...(event.replay && { [attributeNames.replayId]: event.replay.id }),
      });
    }
    return run(span);
  });
}

/** Ends the span of an event with what became of it. */
export function endProcessSpan(span: Span, settlement: Settlement): void {
  if (span.isRecording()) {
    span.setAttribute(attributeNames.outcome, outcomeOf(settlement));
    if (
      settlement.kind === 'given-up' ||
      (settlement.kind === 'failed' && settlement.reason !== 'retry-after')
    ) {
      failSpan(span, settlement.error);
    }
  }
  span.end();
}

function outcomeOf(settlement: Settlement): string {
  switch (settlement.kind) {
    case 'settled':
      return settlement.how;
    case 'failed':
      return settlement.reason === 'retry-after' ? 'deferred' : 'retry';
    case 'unhandled':
      return 'skipped';
    case 'held-back':
    case 'given-up':
      return settlement.kind;
    case 'interrupted':
      return `interrupted: ${settlement.cause}`;
  }
}
