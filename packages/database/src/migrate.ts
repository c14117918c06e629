import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import {
  MigrationFailedError,
  SchemaMisplacedError,
  SchemaNewerError,
  SchemaOutdatedError,
} from './errors.ts';
import type { BusDatabase } from './schema.ts';

const directory = new URL('../migrations/', import.meta.url);

/** The names of all migrations this version knows, oldest first. */
export async function migrationNames(): Promise<string[]> {
  const files = await readdir(directory);
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => basename(file, '.sql'))
    .sort();
}

async function loadMigrations(): Promise<Record<string, Migration>> {
  const migrations: Record<string, Migration> = {};
  for (const name of await migrationNames()) {
    const text = await readFile(new URL(`${name}.sql`, directory), 'utf8');
    migrations[name] = {
      up: async (db) => {
        await sql.raw(text).execute(db);
      },
    };
  }
  return migrations;
}

function createMigrator(db: Kysely<BusDatabase>): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: loadMigrations },
    migrationTableName: 'bus_migrations',
    migrationLockTableName: 'bus_migrations_lock',
  });
}

/**
 * Brings the schema up to date and returns what was applied. May be repeated, and run by many processes at
 * once: they wait for each other.
 * @throws SchemaNewerError the database was migrated by a newer version.
 * @throws SchemaMisplacedError the tables are not in the schema `public`, or new ones would not be.
 * @throws MigrationFailedError a migration failed; nothing of this call was kept.
 */
export async function migrate(db: Kysely<BusDatabase>): Promise<string[]> {
  const missing = await missingMigrations(db);
  if (missing.length > 0) await assertCreatesInPublic(db);
  const { error, results } = await createMigrator(db).migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName;
    throw new MigrationFailedError(failed, { cause: error });
  }
  return (results ?? []).map((result) => result.migrationName);
}

/**
 * Checks that the schema is exactly the one this version knows.
 * @throws SchemaOutdatedError migrations are missing.
 * @throws SchemaNewerError the database was migrated by a newer version.
 * @throws SchemaMisplacedError the tables are not in the schema `public`, or `search_path` does not lead there.
 */
export async function assertSchemaIsCurrent(db: Kysely<BusDatabase>): Promise<void> {
  const missing = await missingMigrations(db);
  if (missing.length > 0) throw new SchemaOutdatedError(missing);
}

async function missingMigrations(db: Kysely<BusDatabase>): Promise<string[]> {
  const known = await migrationNames();
  const applied = await appliedMigrations(db);
  const unknown = [...applied].filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new SchemaNewerError(unknown);
  return known.filter((name) => !applied.has(name));
}

async function appliedMigrations(db: Kysely<BusDatabase>): Promise<Set<string>> {
  const place = await locate(db);
  if (place.found === null && !place.isInPublic) return new Set();
  if (place.found === null)
    throw new SchemaMisplacedError(
      'the tables of the bus are in the schema public, and search_path does not lead there',
      place,
    );
  if (place.found !== 'public')
    throw new SchemaMisplacedError(
      `search_path leads to tables of the bus in the schema ${place.found}, and they have to be in public, so drop or move those`,
      place,
    );
  const { rows } = await sql<{ name: string }>`select name from bus_migrations`.execute(db);
  return new Set(rows.map((row) => row.name));
}

async function assertCreatesInPublic(db: Kysely<BusDatabase>): Promise<void> {
  const place = await locate(db);
  if (place.creates === 'public') return;
  throw new SchemaMisplacedError(
    `the tables of the bus have to be in the schema public, and search_path would have them made in ${place.creates ?? 'none'}`,
    place,
  );
}

/** Where `search_path` leads: the trigger that runs on every insert names `public`, whoever inserts. */
interface Place {
  /** The schema in which the bus's tables are found. */
  readonly found: string | null;
  readonly isInPublic: boolean;
  /** The schema in which new ones would be made. */
  readonly creates: string | null;
  readonly role: string;
  readonly database: string;
}

async function locate(db: Kysely<BusDatabase>): Promise<Place> {
  const { rows } = await sql<Place>`
    select (
        select relnamespace::regnamespace::text from pg_class where oid = to_regclass('bus_migrations')
      ) as found,
      to_regclass('public.bus_migrations') is not null as "isInPublic",
      current_schema()::text as creates,
      quote_ident(session_user) as role, quote_ident(current_database()) as database`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL said nothing of itself');
  return row;
}
