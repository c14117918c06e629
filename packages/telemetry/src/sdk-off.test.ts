import { expect, test } from 'vitest';
import { createLogger, inSpan, meter, SpanKind } from './index.ts';
import { startTelemetry } from './sdk.ts';
import { currentTraceHeaders } from './trace-context.ts';

test('without an endpoint nothing is traced, and metrics are served', async () => {
  const logger = createLogger({ service: 'probe', level: 'silent' });
  const telemetry = await startTelemetry({ service: 'probe', logger });
  meter().createUpDownCounter('bus.probe').add(2);

  const [recording, headers] = await inSpan('append user', { kind: SpanKind.PRODUCER }, async (span) => [
    span.isRecording(),
    currentTraceHeaders(),
  ]);

  expect(recording).toBe(false);
  expect(headers).toEqual({});
  expect(await telemetry.metricsText()).toMatch(/^bus_probe\{.*\} 2$/m);
  await telemetry.shutdown();
});
