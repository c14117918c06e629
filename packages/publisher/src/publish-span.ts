import type { LogRow } from '@event-bus/outbox/log';
import {
  type Attributes,
  contextFromHeaders,
  isSampled,
  type Link,
  type Span,
  SpanKind,
  spanContextFromHeaders,
  tracer,
} from '@event-bus/telemetry';
import { attributeNames, operationTypes, spanName } from '@event-bus/telemetry/names';
import type { Batch, Part } from './batch.ts';

// What the SDK keeps by default.
const mostLinks = 128;

/**
 * Gives each event of a batch whose trace is recorded its `publish` span, a child of the one that appended it. What went
 * to a stream together is linked: the first one to the events beside it, and each of these to the first.
 */
export function tracePublished(
  batch: Batch,
  { attributes, endedAt }: { readonly attributes: Attributes; readonly endedAt: number },
): void {
  for (const part of batch.parts) {
    const [first, ...others] = part.rows.filter(({ traceparent }) => isSampled(traceparent));
    if (first === undefined) continue;
    const start = (row: LogRow, links: Link[]): Span =>
      tracer().startSpan(
        spanName('publish', part.stream),
        {
          kind: SpanKind.PRODUCER,
          attributes: { ...attributes, ...attributesOf(row, part) },
          startTime: batch.formedAt,
          links,
        },
        contextFromHeaders(row),
      );
    const span = start(first, others.slice(0, mostLinks).flatMap(linkTo));
    for (const row of others) start(row, [{ context: span.spanContext() }]).end(endedAt);
    span.end(endedAt);
  }
}

function linkTo(row: LogRow): Link[] {
  const appended = spanContextFromHeaders(row);
  return appended === undefined
    ? []
    : [{ context: appended, attributes: { [attributeNames.messageId]: row.eventId } }];
}

function attributesOf(row: LogRow, part: Part): Attributes {
  return {
    [attributeNames.operationType]: operationTypes.send,
    [attributeNames.destinationName]: part.stream,
    [attributeNames.messageId]: row.eventId,
    [attributeNames.eventType]: row.eventType,
    [attributeNames.tenantId]: row.tenantId,
    [attributeNames.position]: row.position,
    [attributeNames.batchMessageCount]: part.rows.length,
  };
}
