import type { BusDatabase } from '@event-bus/database';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** The database of the letters, and Redis. */
export interface LetterServers {
  readonly db: Kysely<BusDatabase>;
  readonly mover: EntryMover;
}

/** Letters that are worked on in one transaction. */
export const batchSize = 100;

/** Letters that are held whole at a time: an event may have a quarter of a megabyte, and is held several times over. */
export const wholeLetters = 25;
