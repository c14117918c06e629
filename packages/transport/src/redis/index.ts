export {
  commandsNeeded,
  examineServer,
  type RedisUser,
  redisUsers,
  type ServerExamination,
} from './examine.ts';
export type { RedisTransportOptions } from './transport.ts';
export { createRedisTransport } from './transport.ts';
