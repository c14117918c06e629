import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Superuser URL of the PostgreSQL server that all tests of a run share: make a database of your own on it. */
    postgresUrl: string;
    /** URL of the Redis server that all tests of a run share: use keys of your own, flush nothing. */
    redisUrl: string;
  }
}

/**
 * Starts one PostgreSQL and one Redis for a whole run; tests read `inject('postgresUrl')` and `inject('redisUrl')`.
 * TEST_POSTGRES_URL names a server (and a role that may create databases) to use instead of an own PostgreSQL.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const running: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(running.map((server) => server.stop()));
  };
  try {
    const given = process.env.TEST_POSTGRES_URL;
    if (given === undefined || given === '') {
      const postgres = await startPostgres();
      running.push(postgres);
      project.provide('postgresUrl', postgres.url());
    } else {
      project.provide('postgresUrl', given);
    }
    const redis = await startRedis();
    running.push(redis);
    project.provide('redisUrl', redis.url);
    return stop;
  } catch (error) {
    // vitest runs no teardown for a set-up that failed.
    await stop();
    throw error;
  }
}
