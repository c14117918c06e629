import { ConfigError } from '@event-bus/config';
import type { ClientBase, Pool } from 'pg';

/**
 * Checks that a direct connection leads to the database that the outbox is read from. A lead taken elsewhere excludes
 * nobody, and nothing wakes who listens there.
 * @throws ConfigError it leads to another one.
 */
export async function assertDirectUrl(outbox: Pool, direct: ClientBase | Pool): Promise<void> {
  const [wanted, found] = [await identify(outbox), await identify(direct)];
  if (found.cluster === wanted.cluster && found.database === wanted.database) return;
  const server = found.cluster === wanted.cluster ? '' : ' of another server';
  throw new ConfigError([
    {
      variable: 'DATABASE_DIRECT_URL',
      problem: `leads to the database ${found.database}${server}, and DATABASE_URL to ${wanted.database}: it has to be the same database, past any pooler`,
    },
  ]);
}

// Not the address: behind a pooler, a proxy or another name stands the same server. Every role may ask.
async function identify(
  connection: ClientBase | Pool,
): Promise<{ readonly cluster: string; readonly database: string }> {
  const { rows } = await connection.query<{ cluster: string; database: string }>(
    'select system_identifier::text as cluster, current_database() as database from pg_control_system()',
  );
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL said nothing of itself');
  return row;
}
