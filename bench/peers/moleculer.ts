import { Middleware as createChannels } from '@moleculer/channels';
import { type Middleware, ServiceBroker } from 'moleculer';
import { parameter } from '../harness/parameters.ts';

/** A broker with what the middleware adds to it. */
interface ChannelBroker extends ServiceBroker {
  sendToChannel(name: string, payload: unknown): Promise<void>;
}

/** A broker of moleculer whose channels are streams of Redis. */
export function createBroker(): ChannelBroker {
  // The types of the package know no optional setting, and not that of a middleware.
  const options = { adapter: parameter('REDIS_URL') } as Parameters<typeof createChannels>[0];
  const channels = createChannels(options) as unknown as Middleware;
  return new ServiceBroker({ logger: false, middlewares: [channels] }) as ChannelBroker;
}
