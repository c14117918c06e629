import type { Secret } from '@event-bus/config';
import { assertSchemaIsCurrent, createDatabase, createPool } from '@event-bus/database';
import type { EventTransport } from '@event-bus/transport';
import { createRedisTransport } from '@event-bus/transport/redis';

type Pool = ReturnType<typeof createPool>;
type Database = ReturnType<typeof createDatabase>;

/** Opens what a command works with. */
export interface Connections {
  /** Unique to this process; shown in pg_stat_activity. */
  readonly name: string;
  /** A database of any state. */
  open(url: Secret): { readonly pool: Pool; readonly db: Database };
  /**
   * A database with the schema that this version knows.
   * @throws SchemaOutdatedError @throws SchemaNewerError @throws SchemaMisplacedError
   */
  database(url: Secret): Promise<{ readonly pool: Pool; readonly db: Database }>;
  redis(url: Secret): EventTransport;
}

/** Runs `use` and closes all that it opened. */
export async function withConnections<Result>(
  use: (connections: Connections) => Promise<Result>,
): Promise<Result> {
  const name = `bus-${process.pid}`;
  const opened: (() => Promise<void>)[] = [];
  const open = (url: Secret) => {
    const pool = createPool({ url: url.reveal(), applicationName: name, max: 2, queryTimeoutMs: 60_000 });
    const db = createDatabase(pool);
    opened.push(() => db.destroy());
    return { pool, db };
  };
  try {
    return await use({
      name,
      open,
      database: async (url) => {
        const opening = open(url);
        await assertSchemaIsCurrent(opening.db);
        return opening;
      },
      redis: (url) => {
        const transport = createRedisTransport({ url: url.reveal() });
        opened.push(() => transport.close());
        return transport;
      },
    });
  } finally {
    await Promise.all(opened.map((close) => close()));
  }
}
