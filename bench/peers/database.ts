import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { parameter } from '../harness/parameters.ts';

/** Opens a connection to look at what a peer does. */
export async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: parameter('DATABASE_URL') });
  await client.connect();
  return client;
}

/** Waits until a query finds nothing. */
export async function untilNone(client: pg.Client, text: string): Promise<void> {
  while ((await client.query(text)).rowCount !== 0) await delay(5);
}
