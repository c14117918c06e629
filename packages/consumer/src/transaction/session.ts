import type { Duplex } from 'node:stream';
import type { CompiledQuery, QueryResult } from 'kysely';
import type pg from 'pg';
import { DatabaseUnavailableError, ShutdownError } from '../errors.ts';
import { cancelStatement } from './cancel-statement.ts';
import { sendQuery } from './send-query.ts';
import { createSignsOfLife, type SignsOfLife } from './signs-of-life.ts';

/**
 * One connection in use. Statements are sent at once and answered in order. Between them the server hears that this process
 * lives, so that it can tell a transaction that waits for its handler from that of a process that is frozen.
 */
export interface Session {
  /** Nothing is heard of this process for so long only if it is frozen, cut off, or busy by itself all the time. */
  readonly idleMs: number;
  /** Sends one statement, and nothing but one. With a `name`, which stands for this text only, it is planned once. */
  run<Row>(statement: Pick<CompiledQuery, 'sql' | 'parameters'>, name?: string): Promise<QueryResult<Row>>;
  /** Sends text without parameters, of one or more statements; resolves to the last one's command tag. */
  control(text: string): Promise<string>;
  /**
   * Gives the connection to the session that `next` opens, if it opens one at once and nobody waits for a connection:
   * what that one sends goes out together with what was sent here last, and is executed behind it. `last` is the
   * reply to that; nothing more is to be sent here.
   */
  passOn(last: Promise<unknown>, next: () => void): void;
  /** Whether the connection broke. */
  isLost(): boolean;
  /** Ends what is running on the server. The connection cannot be given back after this. */
  cancel(): Promise<void>;
  /** Gives the connection back to its pool, if it was not passed on; a broken or cancelled one is closed instead. */
  release(): void;
  /** Closes the connection, whatever is running on it. */
  discard(): void;
}

/** Opens sessions on the connections of a pool. */
export interface Sessions {
  /**
   * @throws ShutdownError `signal` aborted first.
   * @throws DatabaseUnavailableError no connection was to be had.
   */
  open(signal: AbortSignal): Promise<Session>;
}

/** What pg has of a client's connection, though its types don't say so. */
interface ClientInternals {
  readonly connection: { readonly stream: Pick<Duplex, 'cork' | 'uncork' | 'destroy'> };
}

// A broken connection is told to the client's listeners, also between two statements.
const broken = new WeakSet<pg.PoolClient>();
const watched = new WeakSet<pg.PoolClient>();

// An empty statement, which succeeds in a failed transaction, too. Whoever looks for what is idle sees it.
const signOfLife = '/* its handler is still running */';
const signsPerIdleTime = 4;

/** Creates the sessions of a pool that pipelines; on each a sign of life is given several times in `idleMs`. */
export function createSessions(pool: pg.Pool, { idleMs }: Pick<Session, 'idleMs'>): Sessions {
  const signs = createSignsOfLife(idleMs / signsPerIdleTime);
  let offered: Taken | undefined;

  return {
    async open(signal) {
      if (signal.aborted) throw new ShutdownError({ cause: signal.reason });
      const passedOn = offered;
      offered = undefined;
      const taken = passedOn ?? { client: await connect(pool, signal) };
      return createSession(taken, { idleMs, signs }, (connection, next) => {
        // Whoever waits for a connection has waited longer than what begins now.
        const isOffered = pool.waitingCount === 0 && !broken.has(connection.client);
        if (isOffered) offered = connection;
        next();
        const isTaken = isOffered && offered === undefined;
        offered = undefined;
        return isTaken;
      });
    },
  };
}

/** A connection, and the last reply that its former session waits for. */
interface Taken {
  readonly client: pg.PoolClient;
  readonly last?: Promise<unknown>;
}

function createSession(
  { client, last }: Taken,
  { idleMs, signs }: Pick<Session, 'idleMs'> & { readonly signs: SignsOfLife },
  offer: (connection: Taken, next: () => void) => boolean,
): Session {
  if (!watched.has(client)) {
    watched.add(client);
    client.once('error', () => broken.add(client));
    client.once('end', () => broken.add(client));
  }
  const { stream } = (client as unknown as ClientInternals).connection;
  let cancelled = false;
  let corked = false;
  let released = false;
  let isHeard = true;

  function giveSign(): void {
    // What the last one waits behind is under way still: the server is not idle.
    if (!isHeard) return;
    isHeard = false;
    const heard = () => {
      isHeard = true;
    };
    // If the connection is broken, others say so.
    sendQuery(client, signOfLife).then(heard, heard);
  }
  signs.include(giveSign);

  function giveBack(close: boolean): void {
    signs.leaveOut(giveSign);
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
    idleMs,
    async run<Row>({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>, name?: string) {
      gather();
      const { command, rowCount, rows } = await sendQuery(client, sql, parameters, name).catch(locate);
      const changes = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command);
      const result = { rows: rows as Row[] };
      return changes ? { ...result, numAffectedRows: BigInt(rowCount ?? 0) } : result;
    },
    async control(text) {
      gather();
      const result = (await sendQuery(client, text)) as pg.QueryResult | pg.QueryResult[];
      return (Array.isArray(result) ? result.at(-1) : result)?.command ?? '';
    },
    passOn(reply, next) {
      signs.leaveOut(giveSign);
      released = offer({ client, last: reply }, next);
    },
    isLost: () => broken.has(client),
    async cancel() {
      cancelled = true;
      // Until then it is the former session's COMMIT that would be cancelled.
      if (last !== undefined) await Promise.allSettled([last]);
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

/** The stack of an error ends where its reply was read; from here on it names the handler's line instead. */
function locate(error: unknown): never {
  if (error instanceof Error) Error.captureStackTrace(error, locate);
  throw error;
}

async function connect(pool: pg.Pool, signal: AbortSignal): Promise<pg.PoolClient> {
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
