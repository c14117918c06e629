import pg from 'pg';
import type { Message } from '../fill/events.ts';
import { parameter } from '../harness/parameters.ts';
import { insertEffectByKysely, insertInboxRows } from '../limits/work.ts';

const connections = 16;

/** What is done with each event. */
export interface Handler {
  /** `entryId` is the name that the broker gives to what it delivers. */
  handle(message: Message, entryId: string): Promise<void>;
  close(): Promise<void>;
}

/** With HANDLER=none there is nothing to do; else what the runner does for a handler with a transaction per event. */
export function createHandler(): Promise<Handler> {
  return parameter('HANDLER') === 'none' ? Promise.resolve(nothing) : createInboxHandler();
}

const nothing: Handler = { handle: () => Promise.resolve(), close: () => Promise.resolve() };

async function createInboxHandler(): Promise<Handler> {
  const pool = new pg.Pool({ connectionString: parameter('DATABASE_URL'), max: connections, pipeline: true });
  const opened = await Promise.all(Array.from({ length: connections }, () => pool.connect()));
  for (const client of opened) client.release();

  return {
    async handle(message, entryId) {
      const work = {
        eventId: message.event_id,
        aggregateId: message.aggregate_id,
        entryId,
        note: message.payload.name,
      };
      const client = await pool.connect();
      try {
        const [, inserted] = await Promise.all([client.query('begin'), insertInboxRows(client, [work])]);
        if (inserted.rowCount === 1) await insertEffectByKysely(client, work);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}
