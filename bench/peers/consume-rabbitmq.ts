// RabbitMQ: a durable queue of persistent messages, a hundred of them unacknowledged at most.
import { connect } from 'amqplib';
import { type Message, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { createHandler } from './handler.ts';

const events = countdown(count('EVENTS'));
const handler = await createHandler();
const connection = await connect(parameter('BROKER_URL'));
const channel = await connection.createChannel();
await channel.prefetch(100);

console.log('begin');
await channel.consume(topic, (delivery) => {
  if (delivery === null) throw new Error('the queue is gone');
  const message = JSON.parse(delivery.content.toString()) as Message;
  void handler.handle(message, String(delivery.fields.deliveryTag)).then(() => {
    channel.ack(delivery);
    events.one();
  });
});
await events.done;
// What was not acknowledged is in the queue again once the channel is closed.
await channel.close();
const { messageCount } = await (await connection.createChannel()).checkQueue(topic);
if (messageCount > 0) throw new Error(`${messageCount} messages are left`);
console.log('end');

await connection.close();
await handler.close();
