export type { RedisTransportOptions } from './transport.ts';
export { createRedisTransport } from './transport.ts';
