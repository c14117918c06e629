import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createTestDatabase, type TestDatabase } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createDatabase, createPool } from './connection.ts';
import { SchemaMisplacedError, SchemaNewerError, SchemaOutdatedError } from './errors.ts';
import { assertSchemaIsCurrent, migrate, migrationNames } from './migrate.ts';

let database: TestDatabase;
const opened: { destroy(): Promise<void> }[] = [];

function open() {
  const db = createDatabase(createPool({ url: database.url, applicationName: 'migrate-test', max: 2 }));
  opened.push(db);
  return db;
}

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((db) => db.destroy()));
  await database.drop();
});

test('an empty database is migrated once, and a second run changes nothing', async () => {
  const db = open();

  expect(await migrate(db)).toEqual(await migrationNames());
  expect(await migrate(db)).toEqual([]);
  await expect(assertSchemaIsCurrent(db)).resolves.toBeUndefined();
});

test('twenty migrations that start at once apply each step once', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, () => migrate(open())));

  expect(results.flat().sort()).toEqual(await migrationNames());
});

test('a database that lacks a migration is refused with its name', async () => {
  const db = open();

  await expect(assertSchemaIsCurrent(db)).rejects.toThrow(SchemaOutdatedError);
  await expect(assertSchemaIsCurrent(db)).rejects.toThrow(/0001-outbox.*run `bus migrate`/);
});

test('a database newer than this version is refused by the check and by migrate', async () => {
  const db = open();
  await migrate(db);
  await sql`insert into bus_migrations (name, timestamp) values ('9999-from-the-future', '')`.execute(db);

  await expect(assertSchemaIsCurrent(db)).rejects.toThrow(SchemaNewerError);
  await expect(migrate(db)).rejects.toThrow(/9999-from-the-future/);
});

describe('when search_path begins with another schema than public', () => {
  const schemas = (table: string) =>
    sql<{ schemaname: string }>`select schemaname from pg_tables where tablename = ${table}`.execute(open());

  /** For connections that are opened from now on. */
  async function usePath(path: string): Promise<void> {
    const db = open();
    await sql`create schema if not exists own`.execute(db);
    await sql.raw(`alter database ${database.name} set search_path = ${path}`).execute(db);
  }

  test('nothing is migrated into that one', async () => {
    await usePath('own, public');

    await expect(migrate(open())).rejects.toThrow(SchemaMisplacedError);
    await expect(migrate(open())).rejects.toThrow(
      /^the tables of the bus have to be in the schema public, .* made in own: .*`alter role \S+ in database \S+ set search_path = public`/,
    );
    expect((await schemas('bus_migrations')).rows).toEqual([]);
  });

  test('what was migrated into it is refused', async () => {
    await migrate(open());
    await sql`create schema own; alter table bus_migrations set schema own`.execute(open());
    await usePath('own, public');

    await expect(assertSchemaIsCurrent(open())).rejects.toThrow(
      /leads to tables of the bus in the schema own/,
    );
    await expect(migrate(open())).rejects.toThrow(SchemaMisplacedError);
  });

  test('a role may work with the tables in public, and migrate what is up to date', async () => {
    await migrate(open());
    await usePath('own, public');

    await expect(assertSchemaIsCurrent(open())).resolves.toBeUndefined();
    expect(await migrate(open())).toEqual([]);
    expect((await schemas('bus_migrations')).rows).toEqual([{ schemaname: 'public' }]);
  });

  test('without public behind it, the tables are not called missing', async () => {
    await migrate(open());
    await usePath('own');

    await expect(assertSchemaIsCurrent(open())).rejects.toThrow(/search_path does not lead there/);
    await expect(migrate(open())).rejects.toThrow(SchemaMisplacedError);
  });

  test('a migration that is missing is not made there beside the others', async () => {
    await migrate(open());
    await sql`delete from bus_migrations where name = (select max(name) from bus_migrations)`.execute(open());
    await usePath('own, public');

    await expect(assertSchemaIsCurrent(open())).rejects.toThrow(SchemaOutdatedError);
    await expect(migrate(open())).rejects.toThrow(SchemaMisplacedError);
  });
});

test('released migrations are frozen', async () => {
  const folder = new URL('../migrations/', import.meta.url);
  const frozen = JSON.parse(readFileSync(new URL('frozen.json', folder), 'utf8')) as Record<string, string>;

  const current = Object.fromEntries(
    (await migrationNames()).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(new URL(`${name}.sql`, folder)))
        .digest('hex'),
    ]),
  );

  expect(current).toEqual(frozen);
});
