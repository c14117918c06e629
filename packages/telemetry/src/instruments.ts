import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  type Link,
  type Meter,
  metrics,
  type Span,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { errorText } from './error-text.ts';
import { attributeNames, instrumentationScope } from './names.ts';

/** The bus's tracer. Its spans do nothing until telemetry has been started with an endpoint. */
export function tracer(): Tracer {
  return trace.getTracer(instrumentationScope);
}

/**
 * The bus's meter. Instruments made before telemetry was started never record: make them where a part is
 * created, not where a module is loaded.
 */
export function meter(): Meter {
  return metrics.getMeter(instrumentationScope);
}

// Of seconds: from a commit on the same machine to a retry after minutes. The SDK's own are for milliseconds.
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const countBuckets = [1, 2, 3, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/** A histogram of lengths of time, which are recorded in seconds. */
export function durationHistogram(name: string, description: string): Histogram {
  const advice = { explicitBucketBoundaries: secondsBuckets };
  return meter().createHistogram(name, { unit: 's', description, advice });
}

/** A histogram of how many there are of something, one at least. */
export function countHistogram(name: string, description: string): Histogram {
  return meter().createHistogram(name, { description, advice: { explicitBucketBoundaries: countBuckets } });
}

/** How a span is to be made. Its parent is the active context unless one is given. */
export interface InSpanOptions {
  readonly kind: SpanKind;
  readonly attributes?: Attributes;
  readonly links?: readonly Link[];
  readonly parent?: Context;
}

/**
 * Runs something inside a span, which is active meanwhile and ends with it. A rejection marks the span as
 * failed and is passed on.
 */
export function inSpan<Result>(
  name: string,
  options: InSpanOptions,
  run: (span: Span) => Promise<Result>,
): Promise<Result> {
  const { kind, attributes = {}, links = [], parent = context.active() } = options;
  return tracer().startActiveSpan(name, { kind, attributes, links: [...links] }, parent, async (span) => {
    try {
      return await run(span);
    } catch (error) {
      failSpan(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Marks a span as failed: the kind of error as `error.type`, the error itself as an event of the span. Never throws, whatever
 * was thrown.
 */
export function failSpan(span: Span, error: unknown): void {
  try {
    recordFailure(span, error instanceof Error ? error : new Error(errorText(error)));
  } catch {
    // Its code has no text, say. That it failed is to be seen all the same.
    recordFailure(span, new Error(errorText(error)));
  }
}

function recordFailure(span: Span, failure: Error): void {
  span.setAttribute(attributeNames.errorType, 'code' in failure ? String(failure.code) : failure.name);
  span.recordException(failure);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
