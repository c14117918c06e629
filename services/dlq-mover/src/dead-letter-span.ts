import type { Letter } from '@event-bus/inbox';
import { keptContextFromHeaders, SpanKind, SpanStatusCode, tracer } from '@event-bus/telemetry';
import {
  attributeNames as attribute,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import type { GroupRef } from '@event-bus/transport';

/**
 * Makes the `dead-letter` span of an event, a child of the span that appended it, from `beganAt` (milliseconds since the
 * epoch) until now. It is active while `run` runs.
 */
export function inDeadLetterSpan(ref: GroupRef, letter: Letter, beganAt: number, run: () => void): void {
  const { fields } = letter;
  const parent = keptContextFromHeaders({
    traceparent: fields.traceparent ?? '',
    tracestate: fields.tracestate ?? '',
  });
  const options = { kind: SpanKind.CONSUMER, startTime: beganAt };
  tracer().startActiveSpan(spanName('deadLetter', ref.stream), options, parent, (span) => {
    if (span.isRecording()) {
      span.setAttributes({
        [attribute.messagingSystem]: messagingSystem,
        [attribute.destinationName]: ref.stream,
        [attribute.operationType]: operationTypes.settle,
        [attribute.operationName]: operationNames.deadLetter,
        [attribute.consumerGroupName]: ref.group,
        [attribute.messageId]: letter.eventId,
        [attribute.eventType]: fields.event_type ?? '',
        [attribute.aggregateType]: fields.aggregate_type ?? '',
        [attribute.aggregateId]: fields.aggregate_id ?? '',
        [attribute.tenantId]: fields.tenant_id ?? '',
        [attribute.attempt]: letter.attempts,
        [attribute.outcome]: letter.kind,
        [attribute.streamEntryId]: letter.streamId,
        ...(letter.error !== '' && { [attribute.errorType]: letter.error.split(':')[0] ?? '' }),
        ...(letter.replayId !== '' && { [attribute.replayId]: letter.replayId }),
      });
    }
    span.setStatus({ code: SpanStatusCode.ERROR, message: letter.reason });
    run();
    span.end();
  });
}
