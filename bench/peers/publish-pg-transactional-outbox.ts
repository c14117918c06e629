// pg-transactional-outbox, with either of its listeners: LISTENER is polling, or replication.
import { Redis } from 'ioredis';
import {
  createReplicationSemaphoreConcurrencyController,
  type GeneralMessageHandler,
  getDisabledLogger,
  initializePollingMessageListener,
  initializeReplicationMessageListener,
} from 'pg-transactional-outbox';
import { entryOfMessage, type Message, stream } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { connect, untilNone } from './database.ts';
import { polling, replication } from './outbox-settings.ts';

type Metadata = Omit<Message, 'event_id' | 'aggregate_type' | 'aggregate_id' | 'event_type' | 'payload'>;

const events = countdown(count('EVENTS'));
const redis = new Redis(parameter('REDIS_URL'));
const db = await connect();
await redis.ping();
const publisher: GeneralMessageHandler = {
  async handle({ id, aggregateType, aggregateId, messageType, payload, metadata }) {
    events.begin();
    const entry = entryOfMessage({
      ...(metadata as Metadata),
      event_id: id,
      aggregate_type: aggregateType,
      aggregate_id: aggregateId,
      event_type: messageType,
      payload: payload as Message['payload'],
    });
    await redis.xadd(stream, '*', ...entry);
    events.one();
  },
};

const logger = getDisabledLogger();
const [shutdown] =
  parameter('LISTENER') === 'replication'
    ? initializeReplicationMessageListener(replication, publisher, logger, {
        concurrencyStrategy: createReplicationSemaphoreConcurrencyController(16),
      })
    : initializePollingMessageListener(polling, publisher, logger);
await events.done;
await untilNone(db, 'select 1 from outbox where processed_at is null limit 1');
console.log('end');

await shutdown();
await db.end();
redis.disconnect();
