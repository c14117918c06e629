import type { BusDatabase } from '@event-bus/database';
import type { EntryMover } from '@event-bus/transport';
import type { Kysely } from 'kysely';

/** The database of the letters, and Redis. */
export interface LetterServers {
  readonly db: Kysely<BusDatabase>;
  readonly mover: EntryMover;
}

/** Letters that are worked on in one transaction: few enough to be held in memory, however large their events are. */
export const batchSize = 100;
