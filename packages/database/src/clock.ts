import { type Kysely, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** What time it is by the clock of a database, in milliseconds since the epoch. */
export async function clockOf(db: Kysely<BusDatabase>): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('The database answered without a row.');
  return row.now.getTime();
}
