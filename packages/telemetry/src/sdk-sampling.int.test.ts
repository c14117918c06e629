import { expect, test, vi } from 'vitest';
import { createLogger, currentTraceHeaders, inSpan, isSampled, SpanKind } from './index.ts';
import { startTelemetry } from './sdk.ts';

test('OTEL_TRACES_SAMPLER decides what is recorded; the trace travels all the same', async () => {
  vi.stubEnv('OTEL_TRACES_SAMPLER', 'always_off');
  const logger = createLogger({ service: 'probe', level: 'silent' });
  const telemetry = await startTelemetry({ service: 'probe', logger, otlpEndpoint: 'http://127.0.0.1:9' });

  const { traceparent } = await inSpan('append user', { kind: SpanKind.PRODUCER }, async (span) => {
    expect(span.isRecording()).toBe(false);
    return currentTraceHeaders();
  });

  expect(traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/);
  expect(isSampled(traceparent)).toBe(false);
  // Nothing was recorded, so nobody is missed at the other end.
  await telemetry.shutdown();
});
