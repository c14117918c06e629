import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { freePort } from './free-port.ts';
import { decodeTraces, type ReceivedSpan } from './otlp-spans.ts';

/** A receiver of traces as an OpenTelemetry collector is one: OTLP over HTTP, in JSON, plain or gzip. */
export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** All spans received so far, in order of arrival. */
  spans(): readonly ReceivedSpan[];
  close(): Promise<void>;
}

/** Starts a receiver on a free port of 127.0.0.1. What it cannot decode it answers with 400, and keeps nothing of it. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const receive = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const body = await buffer(request);
    if (request.method !== 'POST' || request.url !== '/v1/traces') return { status: 404, body: {} };
    if (request.headers['content-type']?.startsWith('application/json') !== true) {
      return { status: 415, body: { message: 'Only OTLP in JSON is understood.' } };
    }
    try {
      const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      spans.push(...decodeTraces(text.toString('utf8')));
      return { status: 200, body: {} };
    } catch (error) {
      return { status: 400, body: { message: String(error) } };
    }
  };

  const server = createServer((request, response) => {
    receive(request).then(
      ({ status, body }) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      // The exporter hung up in the middle of a request.
      () => response.destroy(),
    );
  });
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    spans: () => spans,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
