import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createTestDatabase, type TestDatabase } from '@event-bus/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createDatabase, createPool } from './connection.ts';
import { SchemaNewerError, SchemaOutdatedError } from './errors.ts';
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
