import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { freePort } from '../free-port.ts';
import { refusal } from './double.ts';
import { createFaults, type FaultMatch, flipBit, type InjectedFault, type S3Fault } from './faults.ts';
import {
  addressOf,
  operationOf,
  type S3Backend,
  type S3Operation,
  S3Refusal,
  type S3Reply,
  type S3Request,
} from './protocol.ts';

/** A request that was answered, or whose answer was lost. */
export interface S3LoggedRequest {
  readonly operation: S3Operation | undefined;
  readonly bucket: string;
  readonly key: string;
  /** What the server answered; undefined where nothing was done. */
  readonly status: number | undefined;
}

/** An address of S3 at which requests can go wrong. */
export interface S3Front {
  /** For S3_ENDPOINT. */
  readonly endpoint: string;
  readonly port: number;
  /** Has the next requests that match go wrong. */
  inject(fault: S3Fault, match?: FaultMatch): InjectedFault;
  /** All requests so far, in the order in which they ended. */
  requests(): readonly S3LoggedRequest[];
  /** Breaks every connection and stops listening. May be called again. */
  stop(): Promise<void>;
}

/** Serves a backend on a free port of 127.0.0.1. Requests are read to their end before anything is done with them. */
export async function startFront(backend: S3Backend): Promise<S3Front> {
  const faults = createFaults();
  const log: S3LoggedRequest[] = [];
  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const head = headOf(incoming);
    const fault = faults.take(head);
    const entry = { operation: head.operation, bucket: head.bucket, key: head.key };
    if (fault?.kind === 'cut-request') {
      await firstChunk(incoming);
      log.push({ ...entry, status: undefined });
      incoming.socket.destroy();
      return;
    }
    const body = await readAll(incoming);
    const request = { ...head, body: fault?.kind === 'flip-request-bit' ? flipBit(body) : body };
    if (fault?.kind === 'hold') await fault.until;
    const isRefused = fault?.kind === 'error';
    const reply = isRefused ? refusal(injected(fault), request) : await backend(request);
    log.push({ ...entry, status: isRefused ? undefined : reply.status });
    send(response, reply, fault);
  };

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((error: unknown) => {
      // The client hung up in the middle, or the backend is broken: then its users shall see why.
      if (!incoming.complete || response.headersSent) incoming.socket.destroy();
      else
        send(
          response,
          refusal(new S3Refusal(500, 'InternalError', String(error)), head(incoming)),
          undefined,
        );
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    inject: (fault, match) => faults.inject(fault, match),
    requests: () => log,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function head(incoming: IncomingMessage): { readonly method: string } {
  return { method: incoming.method ?? '' };
}

function headOf(incoming: IncomingMessage): Omit<S3Request, 'body'> {
  const { method = '', url: target = '/', headers } = incoming;
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  const query = new URLSearchParams(question === -1 ? '' : target.slice(question + 1));
  const address = addressOf(headers.host ?? '', path);
  const operation = operationOf({ method, query, key: address.key });
  return { method, target, path, query, headers, operation, ...address };
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function firstChunk(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['data', 'end', 'close']) incoming.once(event, () => resolve());
  });
}

function injected({ status, code }: S3Fault & { readonly kind: 'error' }): S3Refusal {
  return new S3Refusal(status, code, 'This fault was injected.');
}

function send(response: ServerResponse, reply: S3Reply, fault: S3Fault | undefined): void {
  const { socket } = response;
  if (fault?.kind === 'lose-reply') {
    socket?.destroy();
    return;
  }
  const body = alter(reply.body, fault);
  const length = fault?.kind === 'cut-reply' ? reply.body.length : body.length;
  // The answer to HEAD states the length of a body that does not follow.
  const stated = response.req.method === 'HEAD' ? {} : { 'content-length': String(length) };
  response.writeHead(reply.status, { ...reply.headers, ...stated });
  if (fault?.kind === 'cut-reply') response.write(body, () => socket?.destroySoon());
  else response.end(body);
}

function alter(body: Buffer, fault: S3Fault | undefined): Buffer {
  if (fault?.kind === 'cut-reply') return body.subarray(0, fault.afterBytes);
  if (fault?.kind === 'truncate-reply') return body.subarray(0, fault.toBytes);
  return fault?.kind === 'flip-reply-bit' ? flipBit(body) : body;
}
