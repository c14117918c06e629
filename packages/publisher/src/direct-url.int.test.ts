import { createPool } from '@event-bus/database';
import { createTestDatabase, type TestDatabase } from '@event-bus/database/testing';
import { startPostgres } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { assertDirectUrl } from './direct-url.ts';

let outbox: TestDatabase;

beforeEach(async () => {
  outbox = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => outbox.close());

async function check(url: string): Promise<void> {
  const direct = createPool({ url, applicationName: 'direct', max: 1 });
  try {
    await assertDirectUrl(outbox.pool, direct);
  } finally {
    await direct.end();
  }
}

test('a role without any right may ask, and the same database is no fault, whatever its address', async () => {
  const role = `${outbox.name}_nobody`;
  await outbox.pool.query(`create role ${role} login`);
  const url = new URL(outbox.url);
  url.username = role;
  url.hostname = url.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
  await check(url.href);
  await outbox.pool.query(`drop role ${role}`);
});

test('another database of the same server is refused by name', async () => {
  const other = await createTestDatabase(inject('postgresUrl'));

  await expect(check(other.url)).rejects.toMatchObject({
    code: 'config_invalid',
    faults: [
      {
        variable: 'DATABASE_DIRECT_URL',
        problem: `leads to the database ${other.name}, and DATABASE_URL to ${outbox.name}: it has to be the same database, past any pooler`,
      },
    ],
  });
  await other.close();
});

test('a database of the same name on another server is refused', async () => {
  const server = await startPostgres();
  const other = await server.createDatabase(outbox.name);

  await expect(check(other.url)).rejects.toThrow(`leads to the database ${outbox.name} of another server`);
  await server.stop();
});
