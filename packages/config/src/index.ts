export { databaseConfig, redisConfig, workerConfig } from './common.ts';
export { ConfigError, type ConfigFault } from './errors.ts';
export { type Fragment, fragment, type Problem } from './fragment.ts';
export { bytes, duration, integer, type LogLevel, list, logLevel, port } from './fragments.ts';
export { type Environment, loadConfig } from './load-config.ts';
export { sameAs } from './same-as.ts';
export { Secret } from './secret.ts';
export { httpUrl, postgresUrl, redisUrl } from './urls.ts';
