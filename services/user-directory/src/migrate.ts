import { ConfigError, databaseConfig, loadConfig } from '@event-bus/config';
import { createDatabase, createPool } from '@event-bus/database';
import { z } from 'zod';
import { createTables } from './create-tables.ts';

// `pnpm --filter @event-bus/user-directory migrate`: to be run before a version that needs new tables.
try {
  const { DATABASE_URL } = loadConfig(z.object({ DATABASE_URL: databaseConfig.DATABASE_URL }), process.env);
  const db = createDatabase(
    createPool({ url: DATABASE_URL.reveal(), applicationName: 'user-directory migrate' }),
  );
  try {
    await createTables(db);
  } finally {
    await db.destroy();
  }
  console.log('The tables of the user directory are there.');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof ConfigError ? 78 : 1;
}
