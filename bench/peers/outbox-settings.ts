import type { PollingListenerConfig, ReplicationListenerConfig } from 'pg-transactional-outbox';
import { parameter } from '../harness/parameters.ts';

const shared = {
  outboxOrInbox: 'outbox',
  dbListenerConfig: { connectionString: parameter('DATABASE_URL') },
} as const;
const table = {
  dbSchema: 'public',
  dbTable: 'outbox',
  // As its documentation has it for an outbox.
  enableMaxAttemptsProtection: false,
  enablePoisonousMessageProtection: false,
};

/** How pg-transactional-outbox polls: as by default, but for a batch of a hundred in place of five. */
export const polling = {
  ...shared,
  settings: {
    ...table,
    nextMessagesFunctionName: 'next_outbox_messages',
    nextMessagesBatchSize: 100,
    nextMessagesPollingIntervalInMs: 250,
  },
} satisfies PollingListenerConfig;

/** How it reads the log of PostgreSQL, with a connection for each message in hand. */
export const replication = {
  ...shared,
  dbHandlerConfig: { connectionString: parameter('DATABASE_URL'), max: 16 },
  settings: { ...table, dbPublication: 'outbox', dbReplicationSlot: 'outbox' },
} satisfies ReplicationListenerConfig & { dbHandlerConfig: { max: number } };
