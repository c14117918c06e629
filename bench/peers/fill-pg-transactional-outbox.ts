// The slot comes before the events: what is older than it is not read from it.
import { DatabaseSetup, getDisabledLogger, initializeMessageStorage } from 'pg-transactional-outbox';
import { messageOf } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { connect } from './database.ts';
import { polling, replication } from './outbox-settings.ts';

const messagesPerTransaction = 500;
const events = count('EVENTS');
const db = await connect();
const setup = {
  outboxOrInbox: 'outbox',
  database: '',
  schema: 'public',
  table: 'outbox',
  listenerRole: 'postgres',
} as const;
await db.query(DatabaseSetup.dropAndCreateTable(setup));
if (parameter('LISTENER') === 'replication') {
  const { dbPublication: publication, dbReplicationSlot: replicationSlot } = replication.settings;
  await db.query(DatabaseSetup.setupReplicationCore({ ...setup, publication, replicationSlot }));
  await db.query(DatabaseSetup.setupReplicationSlot({ ...setup, publication, replicationSlot }));
} else {
  const functions = { ...setup, nextMessagesName: polling.settings.nextMessagesFunctionName };
  await db.query(DatabaseSetup.createPollingFunction(functions));
  await db.query(DatabaseSetup.setupPollingIndexes(functions));
}

const store = initializeMessageStorage(polling, getDisabledLogger());
for (let number = 1; number <= events; number += 1) {
  if (number % messagesPerTransaction === 1) await db.query('begin');
  const { event_id, aggregate_type, aggregate_id, event_type, payload, ...metadata } = messageOf(number);
  await store(
    {
      id: event_id,
      aggregateType: aggregate_type,
      aggregateId: aggregate_id,
      messageType: event_type,
      // It takes one message of a segment at a time, unless they are parallel.
      concurrency: 'parallel',
      payload,
      metadata,
    },
    db,
  );
  if (number % messagesPerTransaction === 0 || number === events) await db.query('commit');
}
await db.query('analyze');

await db.end();
