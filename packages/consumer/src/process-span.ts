import type { ReceivedEvent } from '@event-bus/contracts';
import {
  type Attributes,
  contextFromHeaders,
  failSpan,
  keptContextFromHeaders,
  type Span,
  type SpanContext,
  SpanKind,
  tracer,
} from '@event-bus/telemetry';
import {
  attributeNames,
  messagingSystem,
  operationNames,
  operationTypes,
  spanName,
} from '@event-bus/telemetry/names';
import type { Settlement, Work } from './settlement.ts';

/** The `process` span of an event, while it runs. */
export interface ProcessSpan {
  readonly context: SpanContext;
  /**
   * Ends it with what became of the event. A failure is recorded also in a trace that is not, as the span that would have
   * been there.
   */
  end(settlement: Settlement): void;
  /** Ends it where nothing came of it: the event is handled again at once. */
  abandon(): void;
}

/** What is handled, by whom and with what. */
export interface Processing {
  readonly group: string;
  readonly event: ReceivedEvent;
  readonly work: Work;
  /** Present if it is handled with others. */
  readonly batch?: {
    readonly size: number;
    /** The span of the first of them, unless it is this one. */
    readonly first: SpanContext | undefined;
  };
}

/**
 * Runs something inside the `process` span of an event, a child of the span that appended it. The span is active
 * meanwhile and is still to be ended.
 */
export function inProcessSpan<Result>(processing: Processing, run: (span: ProcessSpan) => Result): Result {
  const { event, work, batch } = processing;
  const startTime = Date.now();
  const name = spanName('process', work.delivery.stream);
  const links = batch?.first === undefined ? [] : [{ context: batch.first }];
  const options = { kind: SpanKind.CONSUMER, startTime, links };
  return tracer().startActiveSpan(name, options, contextFromHeaders(event), (span) =>
    run({
      context: span.spanContext(),
      end(settlement) {
        if (span.isRecording()) describe(span, processing, settlement);
        else if (failureOf(settlement) !== undefined) {
          const kept = tracer().startSpan(name, options, keptContextFromHeaders(event));
          describe(kept, processing, settlement);
          kept.end();
        }
        span.end();
      },
      abandon() {
        span.setAttributes({ ...attributesOf(processing), [attributeNames.outcome]: 'isolated' });
        span.end();
      },
    }),
  );
}

function describe(span: Span, processing: Processing, settlement: Settlement): void {
  span.setAttributes({ ...attributesOf(processing), [attributeNames.outcome]: outcomeOf(settlement) });
  const failure = failureOf(settlement);
  if (failure !== undefined) failSpan(span, failure.error);
}

function attributesOf({ group, event, work: { delivery, attempt }, batch }: Processing): Attributes {
  return {
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
    ...(batch && { [attributeNames.batchMessageCount]: batch.size }),
  };
}

function failureOf(settlement: Settlement): { readonly error: unknown } | undefined {
  const isFailure =
    settlement.kind === 'given-up' || (settlement.kind === 'failed' && settlement.reason !== 'retry-after');
  return isFailure ? { error: settlement.error } : undefined;
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
