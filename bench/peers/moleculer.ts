import { Middleware } from '@moleculer/channels';
import { ServiceBroker } from 'moleculer';
import { parameter } from '../harness/parameters.ts';

/** A broker of moleculer whose channels are streams of Redis. */
export function createBroker(): ServiceBroker {
  const adapter = { type: 'Redis', options: { redis: { url: parameter('REDIS_URL') } } };
  return new ServiceBroker({ logger: false, middlewares: [Middleware({ adapter })] });
}
