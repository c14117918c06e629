import { setTimeout as delay } from 'node:timers/promises';
import { createTestDatabase, dropTestDatabase, type TestDatabase, urlOfDatabase } from './databases.ts';
import { freePort } from './free-port.ts';
import type { ManagedProcess } from './managed-process.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { initialise, launch } from './postgres-cluster.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

/** How to start a PostgreSQL server. */
export interface PostgresOptions {
  /** Server settings (as in postgresql.conf) that replace the defaults of the kit. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where the data lies. It survives `stop` then; without it the data is gone with the server. */
  readonly dataDir?: string;
}

/** A PostgreSQL server of one's own. It never outlives this process. */
export interface PostgresServer {
  /** Of the running server process; another one after `restart`. */
  readonly pid: number;
  readonly port: number;
  /** Connects as the superuser, without a password; to the database `postgres` unless another is named. */
  url(database?: string): string;
  createDatabase(name?: string, template?: string): Promise<TestDatabase>;
  dropDatabase(name: string): Promise<void>;
  /** Ends the server, keeps its data and port for `restart`. SIGKILL (the default) is a crash. */
  kill(signal?: 'SIGKILL' | 'SIGQUIT' | 'SIGINT' | 'SIGTERM'): Promise<void>;
  /** Starts the server again on the same port with its data; one that runs is shut down first, breaking its connections. */
  restart(): Promise<void>;
  /** Ends the server and removes its data, unless `dataDir` was given. May be called again. */
  stop(): Promise<void>;
}

// Not safe against a crash of the machine, which tests do not need; a crash of the server loses nothing.
const DEFAULTS = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  log_timezone: 'UTC',
  timezone: 'UTC',
};
const START_TRIES = 5;
const RESTART_PATIENCE_MS = 20_000;

/** Starts a server on a free port of 127.0.0.1 and waits until it accepts connections. As root it runs as nobody. */
export async function startPostgres({
  settings = {},
  dataDir,
}: PostgresOptions = {}): Promise<PostgresServer> {
  const folders: TemporaryFolder[] = [];
  const temporary = (purpose: string, inMemory: boolean) => {
    const folder = createTemporaryFolder(purpose, { inMemory });
    folders.push(folder);
    return folder.path;
  };
  const removeFolders = () => Promise.all(folders.map((folder) => folder.remove()));

  try {
    const binaries = findPostgresBinaries(() => temporary('postgres-programs', false));
    const data = dataDir ?? temporary('postgres-data', true);
    await initialise(binaries, data);
    const start = (port: number) => launch(binaries, data, { ...DEFAULTS, ...settings, port: String(port) });
    const first = await startOnFreePort(start);
    return controls(first, start, { cleanShutdown: dataDir !== undefined, removeFolders });
  } catch (error) {
    await removeFolders();
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

/** Backends of a killed server notice a moment later, and until then a new one refuses to start on their data. */
async function startAgain(start: Start, port: number): Promise<ManagedProcess> {
  const deadline = performance.now() + RESTART_PATIENCE_MS;
  while (true) {
    try {
      return await start(port);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(100);
    }
  }
}

function controls(
  first: { server: ManagedProcess; port: number },
  start: Start,
  { cleanShutdown, removeFolders }: { cleanShutdown: boolean; removeFolders: () => Promise<unknown> },
): PostgresServer {
  const { port } = first;
  let { server } = first;
  const url = (database = 'postgres') => urlOfDatabase(`postgres://postgres@127.0.0.1:${port}`, database);
  return {
    get pid() {
      return server.pid;
    },
    port,
    url,
    createDatabase: (name, template) => createTestDatabase(url(), template, name),
    dropDatabase: (name) => dropTestDatabase(url(), name),
    async kill(signal = 'SIGKILL') {
      await server.end(signal);
    },
    async restart() {
      await server.end('SIGINT', RESTART_PATIENCE_MS);
      server = await startAgain(start, port);
    },
    async stop() {
      await server.end(cleanShutdown ? 'SIGINT' : 'SIGQUIT');
      await removeFolders();
    },
  };
}
