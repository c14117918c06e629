// NATS JetStream: a durable pull consumer, two hundred messages asked for at a time, each acknowledged.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type Message, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { createHandler } from './handler.ts';

const events = countdown(count('EVENTS'));
const handler = await createHandler();
const connection = await connect({ servers: parameter('BROKER_URL') });
const consumer = await jetstream(connection).consumers.get(topic, 'bench');

console.log('begin');
const messages = await consumer.consume({ max_messages: 200 });
const consuming = (async () => {
  for await (const message of messages) {
    // Not awaited: the server sends no more than it may leave unacknowledged, 1,000.
    void handler.handle(message.json<Message>(), String(message.seq)).then(() => {
      message.ack();
      events.one();
    });
  }
})();
await events.done;
await connection.flush();
let { num_pending, num_ack_pending } = await consumer.info();
while (num_ack_pending > 0) ({ num_pending, num_ack_pending } = await consumer.info());
if (num_pending > 0) throw new Error(`${num_pending} messages are left`);
console.log('end');

await messages.close();
await consuming;
await connection.close();
await handler.close();
