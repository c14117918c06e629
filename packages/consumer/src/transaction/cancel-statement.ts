import pg from 'pg';

/** What pg knows of a client's server, though its types don't say so. */
interface ClientInternals {
  readonly host: string;
  readonly port: number;
  readonly ssl: boolean | object;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

interface ConnectionInternals extends NodeJS.EventEmitter {
  readonly stream: { destroy(): void };
  connect(portOrSocket: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

const Connection = pg.Connection as unknown as new (config: {
  readonly ssl: boolean | object;
}) => ConnectionInternals;

const patienceMs = 5_000;

/**
 * Asks the server to cancel what a client is running, by the protocol's own cancel request: it needs no free
 * connection and no right, and reaches the right session through a pooler. It may have no effect, or one a moment
 * later: the client is not to be used by anybody else afterwards. Resolves when the request was sent or has failed.
 */
export function cancelStatement(client: pg.PoolClient): Promise<void> {
  const { host, port, ssl, processID, secretKey } = client as unknown as ClientInternals;
  if (processID === null || secretKey === null) return Promise.resolve();
  return new Promise((resolve) => {
    const connection = new Connection({ ssl });
    const request = () => connection.cancel(processID, secretKey);
    const timer = setTimeout(() => connection.stream.destroy(), patienceMs);
    const ended = () => {
      clearTimeout(timer);
      resolve();
    };
    connection.on('connect', () => (ssl ? connection.requestSsl() : request()));
    connection.on('sslconnect', request);
    // Nothing depends on it: the connection that hangs is given up in any case.
    connection.on('error', ended);
    connection.on('end', ended);
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}
