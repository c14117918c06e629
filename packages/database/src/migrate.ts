import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { MigrationFailedError, SchemaNewerError, SchemaOutdatedError } from './errors.ts';
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
 * @throws MigrationFailedError a migration failed; nothing of this call was kept.
 */
export async function migrate(db: Kysely<BusDatabase>): Promise<string[]> {
  await assertNotNewer(db);
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
 */
export async function assertSchemaIsCurrent(db: Kysely<BusDatabase>): Promise<void> {
  const applied = await assertNotNewer(db);
  const missing = (await migrationNames()).filter((name) => !applied.has(name));
  if (missing.length > 0) throw new SchemaOutdatedError(missing);
}

async function assertNotNewer(db: Kysely<BusDatabase>): Promise<Set<string>> {
  const known = new Set(await migrationNames());
  const applied = await appliedMigrations(db);
  const unknown = [...applied].filter((name) => !known.has(name));
  if (unknown.length > 0) throw new SchemaNewerError(unknown);
  return applied;
}

async function appliedMigrations(db: Kysely<BusDatabase>): Promise<Set<string>> {
  const exists = await sql<{
    present: boolean;
  }>`select to_regclass('bus_migrations') is not null as present`.execute(db);
  if (exists.rows[0]?.present !== true) return new Set();
  const { rows } = await sql<{ name: string }>`select name from bus_migrations`.execute(db);
  return new Set(rows.map((row) => row.name));
}
