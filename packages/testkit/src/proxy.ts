import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './free-port.ts';

/** A TCP proxy on 127.0.0.1 between a client and a server of which both are real: only the network fails. */
export interface Proxy {
  readonly port: number;
  /** Breaks every connection there is. New ones can be made at once. */
  cut(): void;
  /** Listens no more: new connections are refused, as by a server that is down. Present ones go on. */
  refuse(): void;
  /** Takes back `refuse`. */
  accept(): Promise<void>;
  /** Half-open: connections stay, can even be made, and nothing flows through them in either direction. */
  pause(): void;
  /** Takes back `pause`; what was sent meanwhile arrives. */
  resume(): void;
  /** From now on each connection carries at most so many bytes per second in each direction. */
  slow(bytesPerSecond: number): void;
  /**
   * Lets the next request that `matches` (text of a chunk as sent; by default any) through to the server, drops what the
   * server replies on that connection from then on, and breaks it when the reply has been dropped. The server has
   * done what was asked and the client cannot know. Resolves when that has happened.
   */
  swallowReply(matches?: (request: string) => boolean): Promise<void>;
  /** Breaks every connection and stops listening. May be called again. */
  close(): Promise<void>;
}

interface Swallow {
  readonly matches: (request: string) => boolean;
  readonly done: () => void;
}

interface Flow {
  paused: boolean;
  bytesPerSecond: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

// A request may come in several chunks, and replies to earlier requests may come first. A connection on which both
// directions have been silent this long after a reply holds nothing unfinished.
const SILENCE_MS = 50;

/** Starts a proxy in front of a port of 127.0.0.1. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  const port = await freePort();
  const links = new Set<Link>();
  const swallows: Swallow[] = [];
  const flow: Flow = { paused: false, bytesPerSecond: Number.POSITIVE_INFINITY };

  const listener = createServer((client) => {
    const link = { client, server: connect(targetPort, '127.0.0.1') };
    links.add(link);
    join(link, flow, swallows, () => links.delete(link));
    if (flow.paused) stall(link);
  });
  const accept = async () => {
    if (listener.listening) return;
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
  };
  const refuse = () => {
    if (listener.listening) listener.close();
  };
  const cut = () => {
    for (const link of links) breakLink(link);
  };

  await accept();
  return {
    port,
    cut,
    refuse,
    accept,
    pause() {
      flow.paused = true;
      for (const link of links) stall(link);
    },
    resume() {
      flow.paused = false;
      for (const { client, server } of links) {
        client.resume();
        server.resume();
      }
    },
    slow(bytesPerSecond) {
      flow.bytesPerSecond = bytesPerSecond;
    },
    swallowReply(matches = () => true) {
      const { promise, resolve } = Promise.withResolvers<void>();
      swallows.push({ matches, done: resolve });
      return promise;
    },
    async close() {
      const closed = listener.listening ? once(listener, 'close') : undefined;
      refuse();
      cut();
      await closed;
    },
  };
}

function stall({ client, server }: Link): void {
  client.pause();
  server.pause();
}

function breakLink({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

/** Forwards both ways until one side ends, and does what the first swallow that matches asks for. */
function join({ client, server }: Link, flow: Flow, swallows: Swallow[], gone: () => void): void {
  let swallow: Swallow | undefined;
  let silence: NodeJS.Timeout | undefined;
  const finishAfterSilence = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      client.resetAndDestroy();
      // Not broken off: the server still reads what it was sent.
      server.end();
    }, SILENCE_MS);
  };

  client.on('data', (chunk) => {
    if (swallow === undefined) swallow = takeMatching(swallows, chunk);
    else if (silence !== undefined) finishAfterSilence();
    forward(chunk, client, server, flow);
  });
  server.on('data', (chunk) => {
    if (swallow === undefined) forward(chunk, server, client, flow);
    else finishAfterSilence();
  });
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.setNoDelay(true);
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      to.destroySoon();
      clearTimeout(silence);
      swallow?.done();
      gone();
    });
  }
}

function forward(chunk: Buffer, from: Socket, to: Socket, flow: Flow): void {
  const resume = () => {
    if (!flow.paused) from.resume();
  };
  const delayMs = (chunk.length / flow.bytesPerSecond) * 1_000;
  if (to.write(chunk) && delayMs === 0) return;
  from.pause();
  if (delayMs > 0) setTimeout(resume, delayMs);
  else to.once('drain', resume);
}

function takeMatching(swallows: Swallow[], request: Buffer): Swallow | undefined {
  const text = request.toString('latin1');
  const index = swallows.findIndex(({ matches }) => matches(text));
  return index === -1 ? undefined : swallows.splice(index, 1)[0];
}
