import type { Duplex } from 'node:stream';
import type { CompiledQuery, QueryResult } from 'kysely';
import type pg from 'pg';
import { DatabaseUnavailableError, ShutdownError } from '../errors.ts';
import { cancelStatement } from './cancel-statement.ts';

/** One pooled connection in use. Statements are sent at once and answered in order. */
export interface Session {
  /** Sends one statement, and nothing but one. With a `name`, which stands for this text only, it is planned once. */
  run<Row>(statement: Pick<CompiledQuery, 'sql' | 'parameters'>, name?: string): Promise<QueryResult<Row>>;
  /** Sends text without parameters, of one or more statements; resolves to the last one's command tag. */
  control(text: string): Promise<string>;
  /** Whether the connection broke. */
  isLost(): boolean;
  /** Ends what is running on the server. The connection cannot be given back after this. */
  cancel(): Promise<void>;
  /** Gives the connection back to its pool; a broken or cancelled one is closed instead. */
  release(): void;
  /** Closes the connection, whatever is running on it. */
  discard(): void;
}

/** What pg has of a client's connection, though its types don't say so. */
interface ClientInternals {
  readonly connection: { readonly stream: Pick<Duplex, 'cork' | 'uncork' | 'destroy'> };
}

// A broken connection is told to the client's listeners, also between two statements.
const broken = new WeakSet<pg.PoolClient>();
const watched = new WeakSet<pg.PoolClient>();

/**
 * Takes a connection from the pool.
 * @throws ShutdownError `signal` aborted first.
 * @throws DatabaseUnavailableError none was to be had.
 */
export async function openSession(pool: pg.Pool, signal: AbortSignal): Promise<Session> {
  const client = await connect(pool, signal);
  if (!watched.has(client)) {
    watched.add(client);
    client.once('error', () => broken.add(client));
    client.once('end', () => broken.add(client));
  }
  const { stream } = (client as unknown as ClientInternals).connection;
  let cancelled = false;
  let corked = false;
  let released = false;

  function giveBack(close: boolean): void {
    if (released) return;
    released = true;
    client.release(close);
  }

  // What is sent before anybody has to wait goes out in one piece: a write costs more than a statement's own work.
  function gather(): void {
    if (corked) return;
    corked = true;
    stream.cork();
    process.nextTick(() => {
      corked = false;
      stream.uncork();
    });
  }

  return {
    async run<Row>({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>, name?: string) {
      // The extended protocol takes a single statement, whatever the text hides.
      const config = {
        text: sql,
        values: [...parameters],
        queryMode: 'extended',
        ...(name !== undefined && { name }),
      };
      gather();
      const { command, rowCount, rows } = await client.query(config);
      const changes = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command);
      const result = { rows: rows as Row[] };
      return changes ? { ...result, numAffectedRows: BigInt(rowCount ?? 0) } : result;
    },
    async control(text) {
      gather();
      const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[];
      return (Array.isArray(result) ? result.at(-1) : result)?.command ?? '';
    },
    isLost: () => broken.has(client),
    async cancel() {
      cancelled = true;
      await cancelStatement(client);
    },
    release: () => giveBack(cancelled || broken.has(client)),
    discard() {
      // A pipelined client would otherwise wait for its statements before it closes.
      stream.destroy();
      giveBack(true);
    },
  };
}

async function connect(pool: pg.Pool, signal: AbortSignal): Promise<pg.PoolClient> {
  if (signal.aborted) throw new ShutdownError({ cause: signal.reason });
  const connecting = pool.connect();
  try {
    // With an idle connection for all that wait, there is nothing to wait for.
    const isThere = pool.waitingCount > 0 && pool.idleCount >= pool.waitingCount;
    return await (isThere ? connecting : unlessAborted(connecting, signal));
  } catch (cause) {
    if (cause instanceof ShutdownError) throw cause;
    throw new DatabaseUnavailableError('taking a database connection', { cause });
  }
}

async function unlessAborted(
  connecting: Promise<pg.PoolClient>,
  signal: AbortSignal,
): Promise<pg.PoolClient> {
  const stopped = Promise.withResolvers<never>();
  const stop = () => {
    stopped.reject(new ShutdownError({ cause: signal.reason }));
    connecting.then(
      (client) => client.release(),
      () => undefined, // Nobody waits for it any more.
    );
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([connecting, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
