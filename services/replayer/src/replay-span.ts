import type { Replay } from '@event-bus/database';
import { SpanKind, traceBatch } from '@event-bus/telemetry';
import {
  attributeNames as attribute,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import type { StreamEntry } from '@event-bus/transport';

/**
 * Gives each event whose trace is recorded a `replay` span, from `beganAt` (milliseconds since the epoch) until now; what
 * was injected together is linked.
 */
export function traceReplayed(
  { id, group }: Replay,
  stream: string,
  entries: readonly StreamEntry[],
  beganAt: number,
): void {
  traceBatch(entries, {
    name: spanName('replay', stream),
    kind: SpanKind.PRODUCER,
    startTime: beganAt,
    endTime: Date.now(),
    headersOf: ({ fields }) => fields,
    idOf: ({ fields }) => fields.event_id ?? '',
    attributesOf: (entry) => ({
      [attribute.messagingSystem]: messagingSystem,
      [attribute.operationType]: operationTypes.send,
      [attribute.operationName]: operationNames.replay,
      [attribute.destinationName]: stream,
      [attribute.consumerGroupName]: group,
      [attribute.eventType]: entry.fields.event_type ?? '',
      [attribute.tenantId]: entry.fields.tenant_id ?? '',
      [attribute.streamEntryId]: entry.id,
      [attribute.replayId]: id,
      [attribute.batchMessageCount]: entries.length,
    }),
  });
}
