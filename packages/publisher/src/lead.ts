import { setTimeout as delay } from 'node:timers/promises';
import { outboxLocks } from '@event-bus/outbox/log';
import pg, { type Pool } from 'pg';
import { assertDirectUrl } from './direct-url.ts';

const standbyPollMs = 250;

/** How a publisher takes the lead. */
export interface LeadOptions {
  /** A direct connection: session locks do not survive a transaction pooler. */
  readonly url: string;
  /** The outbox's database, which `url` has to lead to. */
  readonly outbox: Pool;
  readonly applicationName: string;
  /** The server ends the session, and with it the lead, after this long without a sign of life. */
  readonly sessionTimeoutMs: number;
  /** Told once if another process holds the lead. */
  readonly onStandby?: () => void;
}

/** The connection that holds the lead. It also listens for wake-ups. */
export interface LeadSession {
  readonly client: pg.Client;
  /** Aborts when the session ends, for whatever reason. */
  readonly lost: AbortSignal;
}

/**
 * Waits for the lead of an outbox, then runs `lead` while holding it. Only one process holds it at a time; when that
 * dies, the next has it within {@link standbyPollMs}, and when it freezes or its host vanishes, within the session
 * timeout. Resolves when `lead` does, or when the signal aborts while waiting; rejects if the connection fails.
 * @throws ConfigError the connection leads to another database.
 */
export async function withLead(
  options: LeadOptions,
  signal: AbortSignal,
  lead: (session: LeadSession) => Promise<void>,
): Promise<void> {
  const session = await connect(options);
  let isStandby = false;
  try {
    await assertDirectUrl(options.outbox, session.client);
    while (!signal.aborted) {
      if (await tryLock(session.client, outboxLocks.leader))
        return await leadWithPings(options, session, lead);
      if (!isStandby) options.onStandby?.();
      isStandby = true;
      await delay(standbyPollMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await disconnect(session.client);
  }
}

// A server that has vanished never answers the goodbye.
async function disconnect(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => 'it had ended already');
  await Promise.race([ended, delay(1_000, undefined, { ref: false })]);
}

/**
 * Whether a session still holds the lead. It is asked, since a statement may fail with the server's farewell before the
 * connection is seen to end.
 */
export async function isHeld({ client, lost }: LeadSession): Promise<boolean> {
  if (lost.aborted) return false;
  return client.query('select 1').then(
    () => true,
    () => false,
  );
}

/** Takes a session lock if it is free. */
export async function tryLock(client: pg.Client, key: number): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', [
    outboxLocks.space,
    key,
  ]);
  return rows[0]?.locked === true;
}

/** Gives a session lock back. */
export async function unlock(client: pg.Client, key: number): Promise<void> {
  await client.query('select pg_advisory_unlock($1, $2)', [outboxLocks.space, key]);
}

async function connect({ url, applicationName, sessionTimeoutMs }: LeadOptions): Promise<LeadSession> {
  const settings = {
    idle_session_timeout: sessionTimeoutMs,
    tcp_keepalives_idle: 5,
    tcp_keepalives_interval: 2,
    tcp_keepalives_count: 3,
  };
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    query_timeout: sessionTimeoutMs,
  });
  const lost = new AbortController();
  const lose = (error?: Error) =>
    lost.abort(error ?? new Error('the connection that holds the lead was closed'));
  client.on('error', lose);
  client.on('end', () => lose());
  await client.connect();
  return { client, lost: lost.signal };
}

async function leadWithPings(
  { sessionTimeoutMs }: LeadOptions,
  { client, lost }: LeadSession,
  lead: (session: LeadSession) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const ping = () => client.query('select 1').catch((error: unknown) => failed.abort(error));
  const timer = setInterval(() => void ping(), sessionTimeoutMs / 4);
  try {
    await lead({ client, lost: AbortSignal.any([lost, failed.signal]) });
  } finally {
    clearInterval(timer);
  }
}
