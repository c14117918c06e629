export {
  type Attributes,
  type Context,
  type Counter,
  context,
  type Gauge,
  type Histogram,
  type Link,
  type Meter,
  type ObservableGauge,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type UpDownCounter,
} from '@opentelemetry/api';
export { type BatchSpans, traceBatch } from './batch-spans.ts';
export { errorText } from './error-text.ts';
export {
  countHistogram,
  durationHistogram,
  failSpan,
  type InSpanOptions,
  inSpan,
  meter,
  tracer,
} from './instruments.ts';
export { createLogger, type Logger, type LogLevel } from './logger.ts';
export { redactUrlPasswords } from './redact.ts';
export {
  contextFromHeaders,
  currentTraceHeaders,
  isSampled,
  keptContextFromHeaders,
  spanContextFromHeaders,
  type TraceHeaders,
} from './trace-context.ts';
