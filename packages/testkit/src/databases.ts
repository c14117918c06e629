import pg from 'pg';
import { uniquePrefix } from './names.ts';

/** A database of one's own on a shared server. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Removes the database, also while there are connections to it; these break. */
  drop(): Promise<void>;
}

async function run(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The same server and role, another database. */
export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/**
 * Creates an empty database, or a copy of `template` (a database name) to which nobody may be connected.
 * `adminUrl` is any database of the server, with a role that may create others.
 */
export async function createTestDatabase(
  adminUrl: string,
  template?: string,
  name?: string,
): Promise<TestDatabase> {
  const chosen = name ?? uniquePrefix();
  const from = pg.escapeIdentifier(template ?? 'template1');
  await run(adminUrl, `create database ${pg.escapeIdentifier(chosen)} template ${from}`);
  return {
    name: chosen,
    url: urlOfDatabase(adminUrl, chosen),
    drop: () => dropTestDatabase(adminUrl, chosen),
  };
}

/** Removes a database if there is one of this name, also while there are connections to it; these break. */
export async function dropTestDatabase(adminUrl: string, name: string): Promise<void> {
  await run(adminUrl, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
}
