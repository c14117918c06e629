import { AckPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { messageOf, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const messagesPerRound = 1_000;
const events = count('EVENTS');
const connection = await connect({ servers: parameter('BROKER_URL') });
const manager = await jetstreamManager(connection);
await manager.streams.add({ name: topic, subjects: [topic], storage: StorageType.File });
await manager.consumers.add(topic, { durable_name: 'bench', ack_policy: AckPolicy.Explicit });

const stream = jetstream(connection);
for (let start = 1; start <= events; start += messagesPerRound) {
  const length = Math.min(messagesPerRound, events + 1 - start);
  const messages = Array.from({ length }, (_, index) => JSON.stringify(messageOf(start + index)));
  await Promise.all(messages.map((message) => stream.publish(topic, message)));
}

await connection.close();
