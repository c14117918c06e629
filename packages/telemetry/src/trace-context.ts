import {
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

/** The W3C trace context as it travels with an event. Both are absent when there is no trace. */
export interface TraceHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const none: TraceHeaders = Object.freeze({});

/**
 * The trace context of the active span, to travel with an event. Empty, at the cost of one look-up, when
 * tracing is off or nothing is being traced.
 */
export function currentTraceHeaders(active: Context = context.active()): TraceHeaders {
  const span = trace.getSpanContext(active);
  if (span === undefined || !isSpanContextValid(span)) return none;
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0');
  const traceparent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const tracestate = span.traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

/** A context whose parent span is the one the headers name. Without a valid `traceparent`, a context without a parent. */
export function contextFromHeaders(headers: TraceHeaders): Context {
  const span = spanContextFromHeaders(headers);
  return span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
}

/**
 * The same for what is kept whatever was decided when the event was appended: errors and dead letters. Its spans join the
 * event's trace, of which they may be the only ones.
 */
export function keptContextFromHeaders(headers: TraceHeaders): Context {
  const span = spanContextFromHeaders(headers);
  if (span === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, { ...span, traceFlags: span.traceFlags | TraceFlags.SAMPLED });
}

/** The remote span that the headers name, for a link; undefined without a valid `traceparent`. */
export function spanContextFromHeaders(headers: TraceHeaders): SpanContext | undefined {
  const parsed = parseTraceparent(headers.traceparent);
  if (parsed === undefined) return undefined;
  const { tracestate = '' } = headers;
  return {
    ...parsed,
    isRemote: true,
    ...(tracestate === '' ? {} : { traceState: createTraceState(tracestate) }),
  };
}

/** Whether whoever wrote this `traceparent` records the trace. False when it is absent or not valid. */
export function isSampled(traceparent: string | undefined): boolean {
  const flags = parseTraceparent(traceparent)?.traceFlags ?? TraceFlags.NONE;
  return (flags & TraceFlags.SAMPLED) !== 0;
}

// Later versions may append fields; version 00 may not, and version ff is forbidden.
const traceparentPattern = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

function parseTraceparent(traceparent: string | undefined): SpanContext | undefined {
  if (traceparent === undefined || traceparent === '') return undefined;
  const [, version, traceId = '', spanId = '', flags = '', rest] = traceparentPattern.exec(traceparent) ?? [];
  if (version === undefined || (version === '00' && rest !== undefined)) return undefined;
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
  return isSpanContextValid(span) ? span : undefined;
}
