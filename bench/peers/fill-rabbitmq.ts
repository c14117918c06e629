import { connect } from 'amqplib';
import { messageOf, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';

const messagesPerRound = 1_000;
const events = count('EVENTS');
const connection = await connect(parameter('BROKER_URL'));
const channel = await connection.createConfirmChannel();
await channel.assertQueue(topic, { durable: true });

for (let number = 1; number <= events; number += 1) {
  channel.sendToQueue(topic, Buffer.from(JSON.stringify(messageOf(number))), { persistent: true });
  if (number % messagesPerRound === 0) await channel.waitForConfirms();
}
await channel.waitForConfirms();

await connection.close();
