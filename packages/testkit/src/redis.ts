import { mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { findRedisServer } from './redis-binary.ts';
import { createTemporaryFolder } from './temporary-folder.ts';

/** How to start a Redis server. */
export interface RedisServerOptions {
  /** Directives (as in redis.conf) that replace the defaults of the kit: `{ appendonly: 'yes' }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** Where its files lie. They survive `stop` then; without it they are gone with the server. */
  readonly dir?: string;
}

/** A Redis server of one's own. It never outlives this process. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Of the running server process; another one after `restart`. */
  readonly pid: number;
  readonly dir: string;
  /** A connection that waits for the server when it is away; closed by `stop` at the latest. */
  client(options?: RedisOptions): Redis;
  /** Ends the server, keeps its files and port for `restart`. SIGKILL (the default) is a crash. */
  kill(signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<void>;
  /**
   * Starts the server again on the same port. With `keepData` (the default) one that runs saves all it has first,
   * and one that was killed comes back with what its files hold; without, it comes back empty.
   */
  restart(options?: { readonly keepData?: boolean }): Promise<void>;
  /** Stops the process in its tracks: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Ends the server and removes its files, unless `dir` was given. May be called again. */
  stop(): Promise<void>;
}

// Writes no file by itself, and evicts nothing: evicting a stream loses messages.
const DEFAULTS = {
  save: '',
  appendonly: 'no',
  'maxmemory-policy': 'noeviction',
  bind: '127.0.0.1',
  daemonize: 'no',
};
const START_TRIES = 5;
const START_PATIENCE_MS = 30_000;
const POLL_MS = 5;
// ioredis holds the process for this long after a disconnect, 2 s by default.
const DISCONNECT_TIMEOUT_MS = 20;

/** Starts a server on a free port of 127.0.0.1 and waits until it answers. */
export async function startRedis({ config = {}, dir }: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = findRedisServer();
  const folder = dir === undefined ? createTemporaryFolder('redis') : undefined;
  const home = dir ?? folder?.path ?? '';
  mkdirSync(home, { recursive: true });
  const start = (port: number) => launch(binary, port, home, { ...DEFAULTS, ...config });
  try {
    const first = await startOnFreePort(start);
    return controls(first, start, home, async () => folder?.remove());
  } catch (error) {
    await folder?.remove();
    throw error;
  }
}

type Start = (port: number) => Promise<ManagedProcess>;

/** Somebody else may take the port between its choice and the server's start. */
async function startOnFreePort(start: Start): Promise<{ server: ManagedProcess; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    try {
      return { server: await start(port), port };
    } catch (error) {
      if (tries === START_TRIES) throw error;
    }
  }
}

async function launch(
  binary: string,
  port: number,
  dir: string,
  config: Readonly<Record<string, string>>,
): Promise<ManagedProcess> {
  const directives = Object.entries(config).flatMap(([name, value]) => [`--${name}`, ...value.split(' ')]);
  const server = await startProcess(binary, ['--port', String(port), '--dir', dir, ...directives]);
  const deadline = performance.now() + START_PATIENCE_MS;
  while (!(await answers(server.pid, port))) {
    if (server.hasExited() || performance.now() > deadline) {
      await server.end('SIGKILL');
      throw new Error(`Redis did not start on port ${port}. It printed:\n${server.output()}`);
    }
    await delay(POLL_MS);
  }
  return server;
}

/** Whether this very process answers, and not another server that had the port first; it may still be loading. */
async function answers(pid: number, port: number): Promise<boolean> {
  const probe = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  });
  probe.on('error', () => 'nothing listens yet');
  try {
    await probe.connect();
    const info = await probe.info();
    return info.includes(`process_id:${pid}\r\n`) && info.includes('loading:0\r\n');
  } catch {
    return false;
  } finally {
    probe.disconnect();
  }
}

function controls(
  first: { server: ManagedProcess; port: number },
  start: Start,
  dir: string,
  removeFolder: () => Promise<unknown>,
): RedisServer {
  const { port } = first;
  let { server } = first;
  const clients = new Set<Redis>();
  const client = (options: RedisOptions = {}) => {
    const connection = new Redis({
      port,
      host: '127.0.0.1',
      maxRetriesPerRequest: null,
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      ...options,
    });
    connection.on('error', () => 'the server is away; ioredis connects again');
    connection.once('end', () => clients.delete(connection));
    clients.add(connection);
    return connection;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return server.pid;
    },
    dir,
    client,
    async kill(signal = 'SIGKILL') {
      await server.end(signal);
    },
    async restart({ keepData = true } = {}) {
      server.signal('SIGCONT');
      if (keepData && !server.hasExited()) await saveAll(client());
      await server.end('SIGKILL');
      if (!keepData) for (const file of await readdir(dir)) await rm(join(dir, file), { recursive: true });
      server = await start(port);
    },
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    async stop() {
      for (const connection of clients) connection.disconnect();
      await server.end('SIGTERM');
      await removeFolder();
    },
  };
}

async function saveAll(connection: Redis): Promise<void> {
  try {
    await connection.save();
  } finally {
    connection.disconnect();
  }
}
