import { cpus, loadavg } from 'node:os';
import { type PostgresServer, startRedis } from '@event-bus/testkit';
import { withClient } from './with-client.ts';

/** On what a run took place. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly postgresql: string;
  readonly redis: string;
}

/** Describes this machine and the servers. */
export async function describeMachine(postgres: PostgresServer): Promise<Machine> {
  const { rows } = await withClient(postgres.url(), (client) =>
    client.query<{ server_version: string }>('show server_version'),
  );
  const redis = await startRedis();
  const info = await redis.client().info('server');
  await redis.stop();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version.slice(1),
    postgresql: rows[0]?.server_version ?? 'unknown',
    redis: /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown',
  };
}

/** Processes that ran or wanted to, on average over the last minute. The bench itself counts. */
export function loadAverage(): string {
  return (loadavg()[0] ?? 0).toFixed(2);
}
