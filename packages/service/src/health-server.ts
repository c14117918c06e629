import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { ListenError, reasonOf } from './errors.ts';
import type { Health } from './health.ts';

/** A running health server. */
export interface HealthServer {
  readonly port: number;
  /** Resolves when the port is free again. Requests under way are cut. */
  close(): Promise<void>;
}

/**
 * Serves `/healthz` (200 unless a component crashed), `/readyz` (200 or 503, naming each dependency) and
 * `/metrics` on all addresses. Port 0 means any free one.
 *
 * @throws ListenError when the port cannot be used.
 */
export async function startHealthServer(options: {
  readonly port: number;
  readonly health: Health;
  readonly metricsText: () => Promise<string>;
}): Promise<HealthServer> {
  const routes: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/healthz': async (response) => {
      const component = options.health.crash();
      if (component === undefined) sendJson(response, 200, { status: 'alive' });
      else sendJson(response, 503, { status: 'crashed', component });
    },
    '/readyz': async (response) => {
      const readiness = await options.health.readiness();
      sendJson(response, readiness.status === 'ready' ? 200 : 503, readiness);
    },
    '/metrics': async (response) => {
      send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await options.metricsText());
    },
  };

  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return sendJson(response, 404, { paths: Object.keys(routes) });
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendJson(response, 405, { allowed: 'GET, HEAD' });
    route(response).catch((error: unknown) => sendJson(response, 500, { error: reasonOf(error) }));
  });

  server.listen(options.port);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ListenError(options.port, error instanceof Error ? error : new Error(String(error)));
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body);
}
