import { type Attributes, SpanKind, traceBatch } from '@event-bus/telemetry';
import { attributeNames, operationTypes, spanName } from '@event-bus/telemetry/names';
import type { Batch } from './batch.ts';

/** Gives each event of a batch whose trace is recorded its `publish` span; what went to a stream together is linked. */
export function tracePublished(
  batch: Batch,
  { attributes, endedAt }: { readonly attributes: Attributes; readonly endedAt: number },
): void {
  for (const { stream, rows } of batch.parts) {
    traceBatch(rows, {
      name: spanName('publish', stream),
      kind: SpanKind.PRODUCER,
      startTime: batch.formedAt,
      endTime: endedAt,
      headersOf: (row) => row,
      idOf: ({ eventId }) => eventId,
      attributesOf: ({ eventType, tenantId, position }) => ({
        ...attributes,
        [attributeNames.operationType]: operationTypes.send,
        [attributeNames.destinationName]: stream,
        [attributeNames.eventType]: eventType,
        [attributeNames.tenantId]: tenantId,
        [attributeNames.position]: position,
        [attributeNames.batchMessageCount]: rows.length,
      }),
    });
  }
}
