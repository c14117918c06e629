import type { RedrivingLetter } from '@event-bus/inbox';
import { keptContextFromHeaders, SpanKind, tracer } from '@event-bus/telemetry';
import {
  attributeNames,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';

/**
 * Gives letters that were injected a `redrive` span each, in the traces of their events: a child of
 * the span that appended the event, as the `process` span that follows.
 */
export function traceRedrives(letters: readonly RedrivingLetter[], startTime: number): void {
  for (const { group, stream, eventId, replayId, fields } of letters) {
    const {
      traceparent = '',
      tracestate = '',
      event_type: eventType = '',
      tenant_id: tenantId = '',
    } = fields;
    const attributes = {
      [attributeNames.messagingSystem]: messagingSystem,
      [attributeNames.operationType]: operationTypes.send,
      [attributeNames.operationName]: operationNames.redrive,
      [attributeNames.destinationName]: stream,
      [attributeNames.consumerGroupName]: group,
      [attributeNames.messageId]: eventId,
      [attributeNames.eventType]: eventType,
      [attributeNames.tenantId]: tenantId,
      ...(replayId !== '' && { [attributeNames.replayId]: replayId }),
    };
    tracer()
      .startSpan(
        spanName('redrive', stream),
        { kind: SpanKind.PRODUCER, attributes, startTime },
        keptContextFromHeaders({ traceparent, tracestate }),
      )
      .end();
  }
}
