import { expect, test } from 'vitest';
import { createLogger, inSpan, SpanKind } from './index.ts';
import { startTelemetry } from './sdk.ts';

test('a collector that is away delays the end by little and is named in the log', async () => {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'probe',
    level: 'info',
    destination: { write: (line) => lines.push(line) },
  });
  // Nothing listens on the discard port.
  const telemetry = await startTelemetry({ service: 'probe', logger, otlpEndpoint: 'http://127.0.0.1:9' });
  await inSpan('append user', { kind: SpanKind.PRODUCER }, async () => undefined);

  await telemetry.shutdown().catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'telemetry_flush_failed', endpoint: 'http://127.0.0.1:9' });
    lines.push(String(error));
  });

  expect(lines.join('\n')).toMatch(/ECONNREFUSED|could not be sent/);
});
