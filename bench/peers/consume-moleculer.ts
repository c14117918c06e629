// @moleculer/channels: a group that begins with what is in the stream, a hundred messages in flight.
import { Redis } from 'ioredis';
import { type Message, topic } from '../fill/events.ts';
import { count, parameter } from '../harness/parameters.ts';
import { countdown } from './countdown.ts';
import { createHandler } from './handler.ts';
import { createBroker } from './moleculer.ts';

const group = 'bench';
const events = countdown(count('EVENTS'));
const handler = await createHandler();
const redis = new Redis(parameter('REDIS_URL'));
const broker = createBroker();
await Promise.all([broker.start(), redis.ping()]);

console.log('begin');
broker.createService({
  name: group,
  channels: {
    [topic]: {
      group,
      maxInFlight: 100,
      redis: { startID: '0' },
      // It tells handlers no ID of the entry.
      handler: async (message: Message) => {
        await handler.handle(message, message.position);
        events.one();
      },
    },
  },
});
await events.done;
while (((await redis.xpending(topic, group)) as [number])[0] > 0);
console.log('end');

await broker.stop();
redis.disconnect();
await handler.close();
