import { type Attributes, isSampled, SpanKind, traceBatch } from '@event-bus/telemetry';
import {
  attributeNames as attribute,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import { compareEntryIds, type StreamEntry } from '@event-bus/transport';

/** Makes the `archive` spans of the entries of one stream. */
export interface ArchiveTrace {
  /** An entry is on its way. Entries in order. */
  pass(entry: StreamEntry): void;
  /** Those up to this one are in the archive, and that is recorded. What the attributes say holds for each of them. */
  archived(upTo: string, attributes?: Attributes): void;
}

type Sampled = Pick<StreamEntry, 'id' | 'fields'>;

/** Kept until they are recorded, without payloads. A burst of twice as many would not find room in the SDK's queue. */
const MOST_SAMPLED = 1_000;
const KEPT_FIELDS = ['event_id', 'event_type', 'tenant_id', 'traceparent', 'tracestate'] as const;

/**
 * Each event whose trace is recorded gets a span there, but no more than the first thousand that become part of the archive
 * together. What became so together is linked.
 */
export function createArchiveTrace(stream: string): ArchiveTrace {
  let sampled: Sampled[] = [];
  let startTime = Date.now();
  return {
    pass({ id, fields }) {
      if (sampled.length >= MOST_SAMPLED || !isSampled(fields.traceparent)) return;
      sampled.push({ id, fields: Object.fromEntries(KEPT_FIELDS.map((name) => [name, fields[name] ?? ''])) });
    },
    archived(upTo, attributes = {}) {
      const endTime = Date.now();
      const isArchived = ({ id }: Sampled) => compareEntryIds(id, upTo) <= 0;
      traceBatch(sampled.filter(isArchived), {
        name: spanName('archive', stream),
        kind: SpanKind.CONSUMER,
        startTime,
        endTime,
        headersOf: ({ fields }) => fields,
        idOf: ({ fields }) => fields.event_id ?? '',
        attributesOf: ({ id, fields }) => ({
          ...attributes,
          [attribute.messagingSystem]: messagingSystem,
          [attribute.operationType]: operationTypes.process,
          [attribute.operationName]: operationNames.archive,
          [attribute.destinationName]: stream,
          [attribute.eventType]: fields.event_type ?? '',
          [attribute.tenantId]: fields.tenant_id ?? '',
          [attribute.streamEntryId]: id,
        }),
      });
      sampled = sampled.filter((entry) => !isArchived(entry));
      startTime = endTime;
    },
  };
}
