import type { Attributes, Link, Span, SpanKind } from '@opentelemetry/api';
import { tracer } from './instruments.ts';
import { attributeNames } from './names.ts';
import { contextFromHeaders, isSampled, spanContextFromHeaders, type TraceHeaders } from './trace-context.ts';

// What the SDK keeps by default.
const MOST_LINKS = 128;

/** What happened to messages together: their spans differ in their own attributes only. */
export interface BatchSpans<Message> {
  readonly name: string;
  readonly kind: SpanKind;
  /** Milliseconds since the epoch, as `endTime`. */
  readonly startTime: number;
  readonly endTime: number;
  readonly headersOf: (message: Message) => TraceHeaders;
  /** Without `messaging.message.id`, which `idOf` tells. */
  readonly attributesOf: (message: Message) => Attributes;
  readonly idOf: (message: Message) => string;
}

/**
 * Gives each message of a batch whose trace is recorded a span there, a child of the one that appended it; the others cost
 * a look at a flag. The spans are linked: the first one to the messages beside it, 128 at most, and each of theirs to the
 * first.
 */
export function traceBatch<Message>(messages: readonly Message[], spans: BatchSpans<Message>): void {
  const { name, kind, startTime, endTime, headersOf, attributesOf, idOf } = spans;
  const [first, ...others] = messages.filter((message) => isSampled(headersOf(message).traceparent));
  if (first === undefined) return;
  const start = (message: Message, links: Link[]): Span => {
    const attributes = { ...attributesOf(message), [attributeNames.messageId]: idOf(message) };
    const parent = contextFromHeaders(headersOf(message));
    return tracer().startSpan(name, { kind, attributes, startTime, links }, parent);
  };
  const linkTo = (message: Message): Link[] => {
    const appended = spanContextFromHeaders(headersOf(message));
    const attributes = { [attributeNames.messageId]: idOf(message) };
    return appended === undefined ? [] : [{ context: appended, attributes }];
  };
  const span = start(first, others.slice(0, MOST_LINKS).flatMap(linkTo));
  for (const message of others) start(message, [{ context: span.spanContext() }]).end(endTime);
  span.end(endTime);
}
