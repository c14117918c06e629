import { Middleware as createMiddleware } from '@moleculer/channels';
import { type Middleware, ServiceBroker } from 'moleculer';
import { parameter } from '../harness/parameters.ts';

/** A broker of moleculer whose channels are streams of Redis. */
export function createBroker(): ServiceBroker {
  // Its type lacks the index signature that moleculer's has.
  const channels = createMiddleware({ adapter: parameter('REDIS_URL') }) as unknown as Middleware;
  return new ServiceBroker({ logger: false, middlewares: [channels] });
}
