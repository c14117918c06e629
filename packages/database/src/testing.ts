import type { Kysely } from 'kysely';
import pg from 'pg';
import { createDatabase, createPool } from './connection.ts';
import { migrate } from './migrate.ts';
import type { BusDatabase } from './schema.ts';

/** A database of a test's own, with the current schema. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Kysely<BusDatabase>;
  /** Ends the connections and drops the database. */
  close(): Promise<void>;
}

const template = 'bus_template';
const templateLock = 7_203_451;

/** Creates a migrated database on a running server, as a copy of a template that is made on first use. */
export async function createTestDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock($1)', [templateLock]);
    await ensureTemplate(admin, serverUrl);
    await admin.query(`create database ${name} template ${template}`);
  } finally {
    await admin.end();
  }
  const url = withDatabase(serverUrl, name);
  const pool = createPool({ url, applicationName: name });
  const db = createDatabase(pool);
  return {
    name,
    url,
    pool,
    db,
    close: async () => {
      await db.destroy();
      const closer = new pg.Client({ connectionString: serverUrl });
      await closer.connect();
      await closer.query(`drop database if exists ${name} with (force)`);
      await closer.end();
    },
  };
}

async function ensureTemplate(admin: pg.Client, serverUrl: string): Promise<void> {
  const { rowCount } = await admin.query('select from pg_database where datname = $1 and not datallowconn', [
    template,
  ]);
  if (rowCount === 1) return;
  await admin.query(`drop database if exists ${template}`);
  await admin.query(`create database ${template}`);
  const db = createDatabase(
    createPool({ url: withDatabase(serverUrl, template), applicationName: template }),
  );
  await migrate(db);
  await db.destroy();
  // Marks it as complete, and keeps away the connections that would stand in the way of copying it.
  await admin.query(`alter database ${template} allow_connections false`);
}

function withDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
