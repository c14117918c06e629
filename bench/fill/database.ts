import { createDatabase, createPool, migrate } from '@event-bus/database';
import type { PostgresServer } from '@event-bus/testkit';
import { withClient } from '../harness/with-client.ts';

/** Makes a database with the bus's tables and whatever `statements` add, to copy from. */
export async function createTemplate(
  postgres: PostgresServer,
  name: string,
  statements: readonly string[],
): Promise<void> {
  const { url } = await postgres.createDatabase(name);
  const database = createDatabase(createPool({ url, applicationName: 'bench', max: 1 }));
  try {
    await migrate(database);
  } finally {
    await database.destroy();
  }
  await withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement);
    await client.query('vacuum analyze');
  });
}

/** One number from a database. */
export async function queryNumber(url: string, text: string): Promise<number> {
  const { rows } = await withClient(url, (client) =>
    client.query<[string | number]>({ text, rowMode: 'array' }),
  );
  return Number(rows[0]?.[0]);
}
