import { messageOf, topic } from '../fill/events.ts';
import { count } from '../harness/parameters.ts';
import { createBroker } from './moleculer.ts';

const messagesPerRound = 1_000;
const events = count('EVENTS');
const broker = createBroker();
await broker.start();

for (let start = 1; start <= events; start += messagesPerRound) {
  const length = Math.min(messagesPerRound, events + 1 - start);
  const messages = Array.from({ length }, (_, index) => messageOf(start + index));
  await Promise.all(messages.map((message) => broker.sendToChannel(topic, message)));
}

await broker.stop();
