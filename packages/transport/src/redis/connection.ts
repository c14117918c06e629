import { Redis, type RedisOptions } from 'ioredis';
import { ServerRefusedError, TransportClosedError, UnknownOutcomeError } from '../errors.ts';
import { type GroupScope, isDemoted, toTransportError, withoutData } from './replies.ts';

/** What every connection of a transport has in common. */
export interface ConnectionSettings {
  readonly url: string;
  /** How long a call waits for the connection, and again for its reply. */
  readonly commandTimeoutMs: number;
  /** How long connecting may take, and again the greeting after it. */
  readonly connectTimeoutMs: number;
  readonly onError: (error: Error) => void;
}

/** How one call differs from others. */
export interface CallOptions {
  /** The group it is about, for the error that says it is missing. */
  readonly scope?: GroupScope;
  /** How long the server is asked to hold back its reply. */
  readonly blockMs?: number;
}

/** One connection that outlives the sockets under it. */
export interface Connection {
  /**
   * Sends at once, or in the order of the calls when the connection is ready. Nothing is ever sent twice.
   * @throws ServerRefusedError the connection was not ready in time; nothing was sent.
   * @throws UnknownOutcomeError it was sent and not answered.
   * @throws TransportClosedError closed before, or before the answer.
   */
  call<Reply>(send: (redis: Redis) => Promise<Reply>, options?: CallOptions): Promise<Reply>;
  /** Calls back each time the connection was re-established; not the first time. */
  onReconnect(listener: () => void): void;
  /** Idempotent. Resolves when the socket is closed. */
  close(): Promise<void>;
}

/** A call that waits for the connection to be ready. */
interface Waiting {
  readonly send: () => void;
  readonly reject: (error: Error) => void;
}

const BACKOFF_LIMIT_MS = 2_000;

function backoffMs(times: number): number {
  const jitterMs = Math.random() * 50;
  return Math.min(25 * 2 ** Math.min(times, 10), BACKOFF_LIMIT_MS) + jitterMs;
}

/**
 * `maxRetriesPerRequest: 0` is what keeps ioredis from sending a command again whose reply was lost:
 * `autoResendUnfulfilledCommands: false` leaves its promise unsettled instead. Time-outs are our own, because
 * `commandTimeout` also ends blocking reads and `blockingTimeout` reports a dead server as "nothing new".
 */
function clientOptions(role: string, settings: ConnectionSettings): RedisOptions {
  return {
    connectionName: `event-bus:${role}`,
    connectTimeout: settings.connectTimeoutMs,
    // A frozen server never answers the end of a connection.
    disconnectTimeout: 100,
    disableClientInfo: true,
    enableOfflineQueue: false,
    keepAlive: 10_000,
    maxLoadingRetryTime: 1_000,
    maxRetriesPerRequest: 0,
    reconnectOnError: isDemoted,
    retryStrategy: backoffMs,
  };
}

/** Opens a connection and keeps it open until it is closed; reconnects for ever, with capped backoff. */
export function openConnection(role: string, settings: ConnectionSettings): Connection {
  const { commandTimeoutMs, connectTimeoutMs, onError } = settings;
  const waiting = new Set<Waiting>();
  const listeners: (() => void)[] = [];
  let ready = false;
  let reached = false;
  let closing: Promise<void> | undefined;
  let lastError: Error | undefined;
  let isExplained = false;
  let greeting: NodeJS.Timeout | undefined;

  const redis = new Redis(settings.url, clientOptions(role, settings));
  const report = (error: Error) => {
    withoutData(error);
    lastError = error;
    isExplained = true;
    if (closing === undefined) onError(error);
  };
  redis.on('error', (error) => {
    // ioredis also tells what became of its own greeting when the socket has closed under it: that is no reason.
    if (redis.status !== 'reconnecting') report(error);
  });
  redis.on('connecting', () => {
    isExplained = false;
  });
  redis.on('connect', () => {
    // ioredis itself waits for ever for a server that accepts connections and then says nothing.
    greeting = setTimeout(() => {
      report(new Error(`the server accepted the connection and was not ready ${connectTimeoutMs} ms later`));
      redis.disconnect(true);
    }, connectTimeoutMs);
  });
  redis.on('close', () => {
    ready = false;
    clearTimeout(greeting);
    if (!isExplained) report(new Error('the server closed the connection'));
  });
  redis.on('ready', () => {
    clearTimeout(greeting);
    ready = true;
    for (const call of waiting) call.send();
    waiting.clear();
    if (reached) for (const listener of listeners) listener();
    reached = true;
  });

  /** Whoever waits longest is sent first; only then may others go past the queue. */
  const isReady = () => ready && redis.status === 'ready' && redis.stream.writable;

  function whenReady<Reply>(start: () => Promise<Reply>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const call: Waiting = {
        send: () => {
          clearTimeout(timer);
          resolve(start());
        },
        reject: (error) => {
          clearTimeout(timer);
          waiting.delete(call);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        const reason = `there was no connection to the server within ${commandTimeoutMs} ms; nothing was sent`;
        call.reject(new ServerRefusedError(reason, { cause: lastError }));
      }, commandTimeoutMs);
      waiting.add(call);
    });
  }

  async function transmit<Reply>(
    send: (redis: Redis) => Promise<Reply>,
    { scope, blockMs = 0 }: CallOptions,
  ): Promise<Reply> {
    const patienceMs = blockMs + commandTimeoutMs;
    const overdue = Promise.withResolvers<never>();
    let settled = false;
    // A reply that has arrived while this process was stopped or busy is read before the immediate runs.
    const giveUp = () => {
      if (settled) return;
      overdue.reject(new UnknownOutcomeError(`the server has not answered within ${patienceMs} ms`));
      // The socket may be dead for good, so whoever asks again asks through another one, and whoever waits behind
      // this call learns now that its outcome is unknown. What was sent may still take effect, even after what is
      // sent next: compare-and-append refuses one of the two, and everything else may be done late or twice.
      if (isReady()) redis.disconnect(true);
    };
    const timer = setTimeout(() => setImmediate(giveUp), patienceMs);
    try {
      return await Promise.race([send(redis), overdue.promise]);
    } catch (failure) {
      const error = withoutData(failure);
      throw closing === undefined ? toTransportError(error, scope) : closedError(error);
    } finally {
      settled = true;
      clearTimeout(timer);
    }
  }

  function closedError(cause?: unknown): TransportClosedError {
    return new TransportClosedError(`the ${role} connection was closed by this process`, { cause });
  }

  async function disconnect(): Promise<void> {
    const ended = new Promise<void>((resolve) => redis.once('end', resolve));
    // Between two attempts there is no socket whose end ioredis would report.
    const isBetween = redis.status === 'reconnecting' || redis.status === 'end';
    for (const call of waiting) call.reject(closedError());
    redis.disconnect();
    if (!isBetween) await ended;
    clearTimeout(greeting);
  }

  return {
    async call(send, options = {}) {
      if (closing !== undefined) throw closedError();
      return isReady() ? transmit(send, options) : whenReady(() => transmit(send, options));
    },
    onReconnect(listener) {
      listeners.push(listener);
    },
    close() {
      closing ??= disconnect();
      return closing;
    },
  };
}
