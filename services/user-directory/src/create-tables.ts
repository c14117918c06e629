import { readFile } from 'node:fs/promises';
import { type Kysely, sql } from 'kysely';

const schema = new URL('../schema.sql', import.meta.url);

/** Creates the directory's tables where they are missing. Any number of processes may do so at once. */
export async function createTables<Tables>(db: Kysely<Tables>): Promise<void> {
  const statements = await readFile(schema, 'utf8');
  await db.transaction().execute(async (trx) => {
    // "if not exists" alone fails when two create the same table at the same moment.
    await sql`select pg_advisory_xact_lock(hashtextextended('user_directory', 0))`.execute(trx);
    await sql.raw(statements).execute(trx);
  });
}
