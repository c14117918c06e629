import type { createPool } from '@event-bus/database';

/** Connections to the database of one outbox. */
export type OutboxPool = ReturnType<typeof createPool>;
