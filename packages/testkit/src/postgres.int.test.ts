import { chmodSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { createTestDatabase } from './databases.ts';
import { eventually } from './eventually.ts';
import { type PostgresOptions, startPostgres } from './postgres.ts';
import { isAlive } from './testing/is-alive.ts';

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(text);
    return result.rows;
  } finally {
    await client.end();
  }
}

async function ownPostgres(options?: PostgresOptions) {
  const postgres = await startPostgres(options);
  onTestFinished(() => postgres.stop());
  return postgres;
}

test('copies a template database, and drops a database that is in use', async () => {
  const admin = inject('postgresUrl');
  const template = await createTestDatabase(admin);
  onTestFinished(() => template.drop());
  await query(template.url, 'create table note (text text); insert into note values ($$from the template$$)');

  const copy = await createTestDatabase(admin, template.name);
  const connected = new pg.Client({ connectionString: copy.url });
  const broken = new Promise((resolve) => connected.on('error', resolve));
  await connected.connect();
  const { rows } = await connected.query('select text from note');
  await copy.drop();

  expect(rows).toEqual([{ text: 'from the template' }]);
  expect(await broken).toBeInstanceOf(Error);
  await expect(query(copy.url, 'select 1')).rejects.toMatchObject({ code: '3D000' });
});

test('comes back with its data on the same port, after a shutdown and after a crash', async () => {
  const postgres = await ownPostgres();
  const { url } = await postgres.createDatabase('ledger');
  await query(url, 'create table note (text text); insert into note values ($$first$$)');

  await postgres.restart();
  await query(url, 'insert into note values ($$second$$)');
  await postgres.kill();
  await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await postgres.restart();

  expect(await query(url, 'select text from note')).toEqual([{ text: 'first' }, { text: 'second' }]);
});

test('runs with the settings it is given', async () => {
  const postgres = await ownPostgres({ settings: { wal_level: 'logical', fsync: 'on' } });

  const rows = await query(
    postgres.url(),
    `select setting from pg_settings where name in ('fsync', 'wal_level')`,
  );

  expect(rows).toEqual([{ setting: 'on' }, { setting: 'logical' }]);
});

test('says what the server printed when it does not start, and leaves no folder behind', async () => {
  await expect(startPostgres({ settings: { no_such_setting: '1' } })).rejects.toThrow(
    /unrecognized configuration parameter "no_such_setting"/,
  );

  expect(ownFolders()).toEqual([]);
});

test('leaves neither a process nor a folder behind', async () => {
  const postgres = await startPostgres();
  const { pid } = postgres;
  expect(ownFolders()).not.toEqual([]);

  await postgres.stop();

  expect(ownFolders()).toEqual([]);
  await eventually(() => !isAlive(pid));
});

test('keeps a data folder that it was given', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'event-bus-kept-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  chmodSync(parent, 0o755);
  const dataDir = join(parent, 'data');

  const first = await ownPostgres({ dataDir });
  await query(first.url(), 'create table note (text text); insert into note values ($$kept$$)');
  await first.stop();
  const second = await ownPostgres({ dataDir });

  expect(await query(second.url(), 'select text from note')).toEqual([{ text: 'kept' }]);
});

/** The folders of the servers that this process has started. */
function ownFolders(): readonly string[] {
  return [tmpdir(), '/dev/shm']
    .filter((base) => existsSync(base))
    .flatMap((base) => readdirSync(base))
    .filter((name) => name.startsWith('event-bus-postgres-') && name.includes(`-${process.pid}-`));
}
